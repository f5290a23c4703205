/* As much of an Arduino core as the example sketch needs to be compiled. */
#ifndef ARDUINO_H
#define ARDUINO_H
#include <stddef.h>
#include <stdint.h>
#define HIGH 1
#define LOW 0
#define OUTPUT 1
#define INPUT_PULLUP 2
#define LED_BUILTIN 13
#define A0 14
struct SerialPort {
  void begin(unsigned long);
  size_t write(const uint8_t *, size_t);
  int available();
  int read();
};
extern SerialPort Serial;
void pinMode(uint8_t, uint8_t);
void digitalWrite(uint8_t, uint8_t);
int digitalRead(uint8_t);
int analogRead(uint8_t);
unsigned long millis();
#endif
