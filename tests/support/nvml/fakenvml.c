/* A libnvidia-ml.so.1 that says what the FAKE_NVML environment variable tells it to.
 *
 *   FAKE_NVML="driver=535.183.01;cuda=12020;gpu=NAME,MIB,CC[,UUID[,BUS_ID[,MIG[,CODE]]]];gpu=..."
 *
 * cuda is NVML's integer (12020 = 12.2). MIB empty: memory is not supported, as on unified-memory
 * machines. MIG is "off", the number of instances ("0" is on without any) or empty (not supported).
 * CODE is the nvmlReturn_t of asking for that GPU's handle. fabric=N is the state of NVSwitch's
 * fabric: 1 not started, 2 in progress, 3 completed. init=CODE makes nvmlInit return that
 * nvmlReturn_t, hang=1 makes it sleep for ever, crash=1 abort. Only what is asked of an old driver
 * is here: every other symbol is missing, and the Python binding reports FunctionNotFound.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };
enum { MAX_GPUS = 16, FIELD = 96 };

typedef struct {
  char name[FIELD], memory[FIELD], capability[FIELD], uuid[FIELD], bus_id[FIELD], mig[FIELD], code[FIELD];
} Gpu;

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
typedef struct {
  char legacy_id[16];
  unsigned domain, bus, device, device_id, subsystem_id;
  char bus_id[32];
} Pci;

typedef struct {
  unsigned char cluster[16];
  unsigned status, clique;
  unsigned char state;
} FabricInfo;

static Gpu gpus[MAX_GPUS];
static unsigned gpu_count;
static char driver[FIELD] = "535.183.01";
static int cuda, initialised, fabric;

/* Copies up to the next comma or the end; returns where the next field begins. */
static const char *field(const char *from, char *to) {
  size_t length = strcspn(from, ",");
  snprintf(to, FIELD, "%.*s", (int)length, from);
  return from[length] == ',' ? from + length + 1 : from + length;
}

static void add_gpu(const char *text) {
  Gpu *gpu = &gpus[gpu_count];
  text = field(text, gpu->name);
  text = field(text, gpu->memory);
  text = field(text, gpu->capability);
  text = field(text, gpu->uuid);
  text = field(text, gpu->bus_id);
  text = field(text, gpu->mig);
  field(text, gpu->code);
  if (!gpu->uuid[0]) snprintf(gpu->uuid, FIELD, "GPU-00000000-0000-0000-0000-%012x", gpu_count);
  if (!gpu->bus_id[0]) snprintf(gpu->bus_id, FIELD, "00000000:%02X:00.0", gpu_count + 1);
  gpu_count++;
}

int nvmlInitWithFlags(unsigned flags) {
  const char *setting = getenv("FAKE_NVML");
  char *text = strdup(setting ? setting : ""), *rest = NULL;
  int code = SUCCESS;
  (void)flags;
  gpu_count = 0;
  for (char *item = strtok_r(text, ";", &rest); item; item = strtok_r(NULL, ";", &rest)) {
    char *value = strchr(item, '=');
    if (!value) continue;
    *value++ = '\0';
    if (!strcmp(item, "driver")) snprintf(driver, FIELD, "%s", value);
    else if (!strcmp(item, "cuda")) cuda = atoi(value);
    else if (!strcmp(item, "gpu") && gpu_count < MAX_GPUS) add_gpu(value);
    else if (!strcmp(item, "fabric")) fabric = atoi(value);
    else if (!strcmp(item, "init")) code = atoi(value);
    else if (!strcmp(item, "hang") && atoi(value)) for (;;) pause();
    else if (!strcmp(item, "crash") && atoi(value)) abort();
  }
  free(text);
  initialised = code == SUCCESS;
  return code;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
  initialised = 0;
  return SUCCESS;
}

static int put(const char *text, char *out, unsigned size) {
  if (!initialised) return UNINITIALIZED;
  if (strlen(text) >= size) return INSUFFICIENT_SIZE;
  strcpy(out, text);
  return SUCCESS;
}

int nvmlSystemGetDriverVersion(char *out, unsigned size) { return put(driver, out, size); }

int nvmlSystemGetCudaDriverVersion(int *out) {
  *out = cuda;
  return initialised ? SUCCESS : UNINITIALIZED;
}

int nvmlSystemGetCudaDriverVersion_v2(int *out) { return nvmlSystemGetCudaDriverVersion(out); }

int nvmlDeviceGetCount_v2(unsigned *out) {
  *out = gpu_count;
  return initialised ? SUCCESS : UNINITIALIZED;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Gpu **out) {
  if (!initialised) return UNINITIALIZED;
  if (index >= gpu_count) return INVALID_ARGUMENT;
  *out = &gpus[index];
  return atoi(gpus[index].code);
}

int nvmlDeviceGetName(Gpu *gpu, char *out, unsigned size) { return put(gpu->name, out, size); }

int nvmlDeviceGetUUID(Gpu *gpu, char *out, unsigned size) { return put(gpu->uuid, out, size); }

int nvmlDeviceGetMemoryInfo(Gpu *gpu, Memory *out) {
  if (!initialised) return UNINITIALIZED;
  if (!gpu->memory[0]) return NOT_SUPPORTED;
  out->total = strtoull(gpu->memory, NULL, 10) << 20;
  out->used = out->total / 16;
  out->free = out->total - out->used;
  return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(Gpu *gpu, Memory2 *out) {
  Memory memory;
  int code = nvmlDeviceGetMemoryInfo(gpu, &memory);
  if (code != SUCCESS) return code;
  out->total = memory.total;
  out->reserved = 0;
  out->used = memory.used;
  out->free = memory.free;
  return SUCCESS;
}

int nvmlDeviceGetCudaComputeCapability(Gpu *gpu, int *major, int *minor) {
  if (!initialised) return UNINITIALIZED;
  return sscanf(gpu->capability, "%d.%d", major, minor) == 2 ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetPciInfo_v3(Gpu *gpu, Pci *out) {
  if (!initialised) return UNINITIALIZED;
  memset(out, 0, sizeof *out);
  if (sscanf(gpu->bus_id, "%x:%x:%x", &out->domain, &out->bus, &out->device) != 3) return INVALID_ARGUMENT;
  snprintf(out->legacy_id, sizeof out->legacy_id, "%04X:%02X:%02X.0", out->domain & 0xFFFF,
           out->bus & 0xFF, out->device & 0xFF);
  snprintf(out->bus_id, sizeof out->bus_id, "%.31s", gpu->bus_id);
  return SUCCESS;
}

int nvmlDeviceGetMigMode(Gpu *gpu, unsigned *current, unsigned *pending) {
  if (!initialised) return UNINITIALIZED;
  if (!gpu->mig[0]) return NOT_SUPPORTED;
  *current = *pending = strcmp(gpu->mig, "off") != 0;
  return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(Gpu *gpu, unsigned *count) {
  *count = gpu->mig[0] ? 7 : 0;
  return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Gpu *gpu, unsigned index, Gpu **out) {
  if (index >= (unsigned)atoi(gpu->mig)) return NOT_FOUND;
  *out = gpu;
  return SUCCESS;
}

int nvmlDeviceGetGpuFabricInfo(Gpu *gpu, FabricInfo *out) {
  (void)gpu;
  if (!fabric) return NOT_SUPPORTED;
  memset(out, 0, sizeof *out);
  out->state = (unsigned char)fabric;
  return SUCCESS;
}
