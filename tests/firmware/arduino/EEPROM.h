#pragma once
#include "Arduino.h"
struct Memory {
  template <class T> T &get(int, T &value) { return value; }
  template <class T> const T &put(int, const T &value) { return value; }
};
extern Memory EEPROM;
