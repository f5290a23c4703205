/* A stand-in for libedgetpu.so.1 where there is no stick: the two functions that TFLite runtimes call.
 *
 *   cc -shared -fPIC -DANSWER=ACCEPTS -o libedgetpu.so.1 edgetpu.c
 *
 * ACCEPTS  a delegate that takes no operator: the interpreter runs everything on the CPU
 * REJECTS  a delegate that finds the graph too new, when an interpreter starts with it
 * REFUSES  no delegate, without a word, as the real one does when the stick is busy or of another version
 * EXPLAINS no delegate, and a sentence why
 *
 * The structure is TfLiteDelegate of tensorflow/lite/core/c/common.h.
 */
#define ACCEPTS 1
#define REJECTS 2
#define REFUSES 3
#define EXPLAINS 4

typedef struct Delegate {
  void *data;
  int (*prepare)(void *context, struct Delegate *delegate);
  void *copy_from_buffer_handle;
  void *copy_to_buffer_handle;
  void *free_buffer_handle;
  long long flags;
  void *opaque_builder;
} Delegate;

static int prepare(void *context, Delegate *delegate) {
  (void)context;
  (void)delegate;
  return ANSWER == REJECTS; /* kTfLiteOk or kTfLiteError */
}

static Delegate delegate = {.prepare = prepare};

Delegate *tflite_plugin_create_delegate(char **keys, char **values, unsigned long count, void (*report)(const char *)) {
  (void)keys;
  (void)values;
  (void)count;
  if (ANSWER == EXPLAINS) report("runtime version 14 is wanted, this is 13");
  return ANSWER == ACCEPTS || ANSWER == REJECTS ? &delegate : 0;
}

void tflite_plugin_destroy_delegate(Delegate *one) { (void)one; }
