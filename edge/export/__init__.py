"""Reading TFLite graphs, and fusing a backbone and a head into one file on the device."""
