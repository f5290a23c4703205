#pragma once
#include "Arduino.h"
struct Servo {
  uint8_t attach(int);
  void write(int);
};
