// Drivers, devices and contexts. There is one device, and its primary context.
#include "call.h"

#include <cstring>

EXPORT CUresult cuInit(unsigned flags) {
    BEGIN(Needs::NOTHING);
    State &s = state();
    if (flags != 0) {
        return INVALID_VALUE;
    }
    if (!s.initialised) {
        s.initialised = true;
        read_environment();
    }
    return s.settings.devices == 0 ? NO_DEVICE : SUCCESS;
}

EXPORT CUresult cuDriverGetVersion(int *version) {
    BEGIN(Needs::NOTHING);
    *version = int(state().settings.driver_version);
    return SUCCESS;
}

EXPORT CUresult cuDeviceGetCount(int *count) {
    BEGIN(Needs::DRIVER);
    *count = int(state().settings.devices);
    return SUCCESS;
}

EXPORT CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    BEGIN(Needs::DRIVER);
    if (ordinal < 0 || ordinal >= state().settings.devices) {
        return INVALID_DEVICE;
    }
    *device = ordinal;
    return SUCCESS;
}

EXPORT CUresult cuDeviceGetName(char *name, int room, CUdevice) {
    BEGIN(Needs::DRIVER);
    strncpy(name, "CUDA (simulated)", size_t(room));
    name[room - 1] = 0;
    return SUCCESS;
}

EXPORT CUresult cuDeviceGetUuid(char *uuid, CUdevice device) {
    BEGIN(Needs::DRIVER);
    memcpy(uuid, "tsds simulated ", 15);
    uuid[15] = char('0' + device);
    return SUCCESS;
}

EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice) {
    BEGIN(Needs::DRIVER);
    *bytes = size_t(state().settings.memory);
    return SUCCESS;
}

EXPORT CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice) {
    BEGIN(Needs::DRIVER);
    const Settings &settings = state().settings;
    switch (attribute) {
    case 1: // threads in a block
    case 2: // and in its first two dimensions
    case 3:
        *value = 1024;
        break;
    case 4:
        *value = 64;
        break;
    case 5: // blocks in the first dimension, and in the others
        *value = 0x7fffffff;
        break;
    case 6:
    case 7:
        *value = 65535;
        break;
    case 8: // shared memory of a block
        *value = 48 << 10;
        break;
    case 10: // threads in a warp
        *value = 32;
        break;
    case 12: // registers in a block
        *value = 65536;
        break;
    case 16: // multiprocessors
        *value = 4;
        break;
    case 36: // memory clock in kHz, bits of the bus: 16 GB/s
        *value = 1000000;
        break;
    case 37:
        *value = 64;
        break;
    case 39: // threads on a multiprocessor
        *value = 2048;
        break;
    case 40: // engines that copy while kernels run
        *value = 2;
        break;
    case 31: // kernels at the same time, pinned memory with the addresses of the device
    case 41:
    case 19:
        *value = 1;
        break;
    case 75: // compute capability
        *value = int(settings.capability / 10);
        break;
    case 76:
        *value = int(settings.capability % 10);
        break;
    case 115: // memory pools
        *value = int(settings.pools);
        break;
    default:
        *value = 0;
    }
    return SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice) {
    BEGIN(Needs::DRIVER);
    State &s = state();
    if (s.sticky != SUCCESS) {
        return s.sticky;
    }
    s.retained++;
    *context = reinterpret_cast<CUcontext>(s.generation + 1);
    return SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) {
    BEGIN_RELEASE();
    State &s = state();
    if (s.retained == 0) {
        return failed != SUCCESS ? failed : INVALID_CONTEXT;
    }
    if (s.retained == 1) {
        run_all(lock);
        drop_context();
    }
    s.retained--;
    return s.sticky != SUCCESS ? s.sticky : failed;
}

EXPORT CUresult cuDevicePrimaryCtxReset_v2(CUdevice) {
    BEGIN(Needs::DRIVER);
    State &s = state();
    drop_context();
    s.retained = 0;
    if (s.settings.recoverable != 0) {
        s.sticky = SUCCESS;
    }
    return s.sticky;
}

EXPORT CUresult cuDevicePrimaryCtxGetState(CUdevice, unsigned *flags, int *active) {
    BEGIN(Needs::DRIVER);
    *flags = 0;
    *active = state().retained > 0;
    return SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice, unsigned) {
    BEGIN(Needs::DRIVER);
    return SUCCESS;
}

EXPORT CUresult cuCtxGetCurrent(CUcontext *context) {
    BEGIN(Needs::DRIVER);
    *context = reinterpret_cast<CUcontext>(current_context);
    return SUCCESS;
}

EXPORT CUresult cuCtxSetCurrent(CUcontext context) {
    BEGIN(Needs::DRIVER);
    const uint64_t wanted = reinterpret_cast<uint64_t>(context);
    if (wanted != 0 && (state().retained == 0 || wanted != state().generation + 1)) {
        return INVALID_CONTEXT;
    }
    current_context = wanted;
    return SUCCESS;
}

EXPORT CUresult cuCtxGetDevice(CUdevice *device) {
    BEGIN(Needs::CONTEXT);
    *device = 0;
    return SUCCESS;
}

EXPORT CUresult cuCtxSetFlags(unsigned) {
    BEGIN(Needs::CONTEXT);
    return SUCCESS;
}

EXPORT CUresult cuCtxGetLimit(size_t *value, int) {
    BEGIN(Needs::CONTEXT);
    *value = 1024;
    return SUCCESS;
}

EXPORT CUresult cuCtxSetLimit(int, size_t) {
    BEGIN(Needs::CONTEXT);
    return SUCCESS;
}

EXPORT CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest) {
    BEGIN(Needs::CONTEXT);
    *least = *greatest = 0;
    return SUCCESS;
}

EXPORT CUresult cuCtxSynchronize() {
    BEGIN(Needs::CONTEXT);
    return run_all(lock);
}

#define NAMES(X)                                                                                                         \
    X(SUCCESS, "CUDA_SUCCESS", "no error")                                                                               \
    X(INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument")                                                     \
    X(OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory")                                                        \
    X(NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error")                                             \
    X(NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected")                                           \
    X(INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal")                                             \
    X(INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid")                                       \
    X(INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context")                                           \
    X(INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed")                                             \
    X(UNSUPPORTED_PTX_VERSION, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",                                                     \
      "the provided PTX was compiled with an unsupported toolchain")                                                     \
    X(INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle")                                            \
    X(NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found")                                                       \
    X(NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready")                                                             \
    X(ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered")                         \
    X(LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch")          \
    X(LAUNCH_TIMEOUT, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated")                            \
    X(MISALIGNED_ADDRESS, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address")                                         \
    X(LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure")                                           \
    X(NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported")                                              \
    X(UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error")

// These two are no calls of the device: they neither count nor fail.
EXPORT CUresult cuGetErrorName(CUresult code, const char **text) {
#define NAME(value, name, words)                                                                                         \
    if (code == value) {                                                                                                 \
        *text = name;                                                                                                    \
        return SUCCESS;                                                                                                  \
    }
    NAMES(NAME)
    *text = nullptr;
    return INVALID_VALUE;
}

EXPORT CUresult cuGetErrorString(CUresult code, const char **text) {
#define WORDS(value, name, words)                                                                                        \
    if (code == value) {                                                                                                 \
        *text = words;                                                                                                   \
        return SUCCESS;                                                                                                  \
    }
    NAMES(WORDS)
    *text = nullptr;
    return INVALID_VALUE;
}
