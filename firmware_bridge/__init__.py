"""The serial link to microcontrollers, host side."""
