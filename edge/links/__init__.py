"""The only users of the serial bridge and of the MQTT broker."""
