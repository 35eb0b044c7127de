// The backend ABI: what a device is to the executor. C, versioned, so that a backend can live in a shared library of
// its own. Ownership: whatever `create`/`prepare` returns is released by the matching `destroy`. Nothing here throws,
// exits or prints.
#ifndef COTANGENT_BACKEND_BACKEND_H
#define COTANGENT_BACKEND_BACKEND_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CT_BACKEND_ABI 3
#define CT_MAX_RANK 8
#define CT_MAX_OPERANDS 64  // inputs, or outputs, of one equation other than a control equation

typedef enum ct_dtype { CT_FLOAT32 = 0, CT_FLOAT64 = 1, CT_INT32 = 2, CT_UINT32 = 3, CT_BOOL = 4 } ct_dtype;

typedef enum ct_code {
  CT_OK = 0,
  CT_SHAPE = 1,
  CT_DTYPE = 2,
  CT_DOMAIN = 3,
  CT_DEVICE = 4,
  CT_NUMERICAL = 5,
  CT_OUT_OF_MEMORY = 6,
  CT_ABORTED = 7,
  CT_INTERNAL = 8
} ct_code;

typedef struct ct_error {
  int32_t code;  // ct_code
  char op[48];   // primitive to blame
  char message[464];
} ct_error;

typedef struct ct_type {
  int32_t dtype;
  int32_t rank;
  int64_t dims[CT_MAX_RANK];
} ct_type;

// One equation, as handed to `prepare`. `constants[k]` points at the value of input k when it is a scalar known at
// compile time.
typedef struct ct_op_desc {
  const char* kernel;
  int32_t n_in, n_out, n_params;
  const ct_type* in;
  const ct_type* out;
  const double* params;
  const void* const* constants;
} ct_op_desc;

typedef struct ct_op ct_op;          // prepared equation; immutable, usable from several threads at once
typedef struct ct_queue ct_queue;    // an ordered queue of launches on the device
typedef struct ct_device ct_device;  // an opened device
typedef struct ct_marker ct_marker;  // a place in a device's order of work

typedef struct ct_op_info {
  double estimated_ns;                 // on one thread; decides the inline path and scheduling only
  uint64_t in_place[CT_MAX_OPERANDS];  // bit k of in_place[j]: output j may share the buffer of input k
} ct_op_info;

// A synchronous backend has finished when a call returns, and its memory is the host's. An asynchronous one puts `run`,
// `write` and `copy` into one order of work per device, whatever queue they name, and returns. What fails later loses
// the device: the next `read`, `fetch`, `synchronize` or `wait` reports it, and every one after. Memory and ops may be
// given back while queued work still uses them: `release` and `op_destroy` take effect in that order, too. All
// functions may be called from several threads at once, but for those of one queue or one marker.
typedef struct ct_backend {
  int32_t abi;  // CT_BACKEND_ABI
  int32_t synchronous;
  const char* name;

  // Row number of an elementwise kernel in the formula table, or -1 when `kernel` is not a formula.
  int32_t (*formula)(const char* kernel);

  // How many devices there are, without opening any; the error says why there are none.
  int32_t (*device_count)(int32_t* count, ct_error* error);
  int32_t (*device_open)(int32_t index, ct_device** device, ct_error* error);
  void (*device_close)(ct_device* device);
  // One line for people, cut to `size` with its terminator: model, what it computes with, versions.
  void (*describe)(ct_device* device, char* text, uint64_t size);
  uint64_t (*memory_bytes)(ct_device* device);  // all of the device's memory, free or not

  // Raw memory; the caching allocator of the core sits above. Alignment is at least 64 bytes. A block given back is
  // handed out again while queued work still uses it: everything that touches it later is queued later.
  int32_t (*allocate)(ct_device* device, uint64_t bytes, void** pointer, ct_error* error);
  void (*release)(ct_device* device, void* pointer, uint64_t bytes);
  // The host's bytes may change when it returns.
  int32_t (*write)(ct_queue* queue, void* to_device, const void* from_host, uint64_t bytes, ct_error* error);
  // In order: waits for everything queued before.
  int32_t (*read)(ct_queue* queue, void* to_host, const void* from_device, uint64_t bytes, ct_error* error);
  // Out of order, on any thread: the bytes are complete (a marker behind their last write was reached), and it must not
  // wait for work queued since.
  int32_t (*fetch)(ct_device* device, void* to_host, const void* from_device, uint64_t bytes, ct_error* error);
  int32_t (*copy)(ct_queue* queue, void* to_device, const void* from_device, uint64_t bytes, ct_error* error);

  int32_t (*prepare)(ct_device* device, const ct_op_desc* desc, ct_op** op, ct_op_info* info, ct_error* error);
  void (*op_destroy)(ct_op* op);
  uint64_t (*workspace_bytes)(const ct_op* op, int32_t threads);
  // In how many calls of `run`, one after the other, the op runs: a long one is cut, so that other work gets its turn
  // between two pieces. At least 1.
  int32_t (*pieces)(const ct_op* op, int32_t threads);

  // `inline_` != 0: a queue whose launches run on the calling thread alone.
  int32_t (*queue_create)(ct_device* device, int32_t inline_, ct_queue** queue, ct_error* error);
  void (*queue_destroy)(ct_queue* queue);
  // Pieces 0, 1, ... in order, with the same pointers and the same thread setting.
  int32_t (*run)(const ct_op* op, ct_queue* queue, const void* const* in, void* const* out, void* workspace,
                 int32_t piece, ct_error* error);
  int32_t (*synchronize)(ct_queue* queue, ct_error* error);

  // Markers, of an asynchronous backend only; a synchronous one may leave them null. `record` puts a marker behind what
  // is queued, again and again; `wait` blocks the calling thread (without spinning for long) until the device got
  // there.
  int32_t (*marker_create)(ct_device* device, ct_marker** marker, ct_error* error);
  void (*marker_destroy)(ct_marker* marker);
  int32_t (*record)(ct_queue* queue, ct_marker* marker, ct_error* error);
  int32_t (*wait)(ct_marker* marker, ct_error* error);
  // Waits for both, which were recorded in that order on one device, and says how long the device took from one to the
  // other, by its own clock.
  int32_t (*elapsed)(ct_marker* from, ct_marker* to, double* ns, ct_error* error);
  // Whether `prepare` knows a kernel of that name. Passes make kernels that a backend need not have (`chainReduce`)
  // only where it does; null: it has none of these.
  int32_t (*has_kernel)(ct_device* device, const char* kernel);
} ct_backend;

// Every backend library exports this.
const ct_backend* cotangent_backend(void);

#ifdef __cplusplus
}
#endif
#endif
