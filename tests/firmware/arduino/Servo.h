/* The face of Arduino's Servo library, which Debian does not have, for one servo on pin 9: timer 1 makes the pulses. */
#pragma once
#include <Arduino.h>

class Servo {
public:
  uint8_t attach(int) {
    pinMode(9, OUTPUT);
    ICR1 = 39999; // 20 ms of half microseconds
    TCCR1A = _BV(COM1A1) | _BV(WGM11);
    TCCR1B = _BV(WGM13) | _BV(WGM12) | _BV(CS11);
    return 0;
  }
  void write(int degrees) { OCR1A = 2 * (544 + (uint32_t)degrees * (2400 - 544) / 180) - 1; }
};
