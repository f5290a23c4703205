// A beam sensor (or button) on pin 2 asks; the LED lights and the servo on pin 9 moves while the answer is "known".
//
// Wire: sensor or button between pin 2 and ground; servo signal on pin 9; USB to the Raspberry Pi.
// There: edge watch CAMERA --model tomatoes --trigger serial:/dev/ttyACM0 --then serial

#include <EEPROM.h>
#include <Servo.h>
#include <edge_link.h>

const uint8_t SENSOR = 2, SERVO = 9;
const uint8_t BEAM = 0;  // this sketch's number for the sensor: the host sees it as `source`
const uint16_t SURE = 52428;  // 0.8 of 65535

static edge_link board;
static Servo gate;

static size_t put(void *, const uint8_t *data, size_t size) { return Serial.write(data, size); }
static uint32_t ms(void *) { return millis(); }

static void answer(void *, const edge_result *found) {
  const bool yes = !found->failed && found->known_flag && found->concept == 0 && found->score >= SURE;
  digitalWrite(LED_BUILTIN, yes ? HIGH : LOW);
  gate.write(yes ? 90 : 0);
}

static const edge_callbacks callbacks = {put, ms, answer, nullptr};

// Another number at every start, or the host would take this start's triggers for the last one's.
static uint32_t starts() {
  uint32_t count = 0;
  EEPROM.get(0, count);
  EEPROM.put(0, ++count);
  return count;
}

void setup() {
  pinMode(SENSOR, INPUT_PULLUP);
  pinMode(LED_BUILTIN, OUTPUT);
  gate.attach(SERVO);
  gate.write(0);
  Serial.begin(115200);
  edge_link_init(&board, &callbacks, nullptr, edge_nonce(starts(), (uint32_t)analogRead(A0) << 16), "beam");
}

void loop() {
  static bool before = true;
  static uint32_t moved = 0;
  while (Serial.available()) edge_link_receive(&board, (uint8_t)Serial.read());
  const bool beam = digitalRead(SENSOR) == HIGH;
  if (beam != before && millis() - moved > 20) {  // contacts bounce
    moved = millis();
    before = beam;
    if (!beam && !edge_link_trigger(&board, BEAM)) edge_link_log(&board, 30, "too many triggers wait");
  }
  edge_link_poll(&board);
}
