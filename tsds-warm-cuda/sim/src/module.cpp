// Modules: the text of a PTX file decides which kernels a module has and what parameters they take; what runs is the kernel of
// that name that was compiled into the simulator.
#include "state.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

KernelEntry *kernels = nullptr;

namespace {
// PTX ISA 8.0 is that of the drivers of CUDA 12.0; newer drivers know newer ones: 12.4 knows 8.4.
bool knows_version(int major, int minor) {
    const int64_t driver = state().settings.driver_version;
    const int64_t known = (driver / 1000 - 4) * 10 + driver % 1000 / 10;
    return major * 10 + minor <= known;
}

const KernelEntry *find_kernel(const std::string &name) {
    for (const KernelEntry *entry = kernels; entry != nullptr; entry = entry->next) {
        if (name == entry->name) {
            return entry;
        }
    }
    return nullptr;
}

// The sizes of the parameters between the parentheses after an entry.
std::vector<unsigned> sizes_of(const std::string &list) {
    std::vector<unsigned> sizes;
    for (size_t at = list.find(".param"); at != std::string::npos; at = list.find(".param", at)) {
        at += strlen(".param");
        const std::string rest = list.substr(at, list.find(',', at) - at);
        const size_t bracket = rest.find('[');
        if (bracket != std::string::npos) {
            sizes.push_back(unsigned(strtoul(rest.c_str() + bracket + 1, nullptr, 10)));
        } else {
            const size_t digits = rest.find_first_of("0123456789", rest.find_first_not_of(" \t"));
            sizes.push_back(unsigned(strtoul(rest.c_str() + digits, nullptr, 10)) / 8);
        }
    }
    return sizes;
}

// Whether the text and the simulator mean the same kernel by the name.
bool agrees(const std::string &name, const std::vector<unsigned> &sizes) {
    const KernelEntry *entry = find_kernel(name);
    if (entry == nullptr) {
        note_violation(format("the module has a kernel %s that the simulator was not built with", name.c_str()));
        return false;
    }
    if (sizes != std::vector<unsigned>(entry->sizes, entry->sizes + entry->parameters)) {
        note_violation(format("the module's kernel %s takes other parameters than its source: it is out of date",
                              name.c_str()));
        return false;
    }
    return true;
}
} // namespace

CUresult load_module(const char *image, Module **module) {
    const std::string text = image;
    int major = 0, minor = 0;
    const size_t version = text.find(".version");
    if (version == std::string::npos || sscanf(text.c_str() + version, ".version %d.%d", &major, &minor) != 2) {
        return INVALID_IMAGE;
    }
    if (!knows_version(major, minor)) {
        return UNSUPPORTED_PTX_VERSION;
    }
    auto made = std::make_unique<Module>();
    for (size_t at = text.find(".entry"); at != std::string::npos; at = text.find(".entry", at)) {
        at = text.find_first_not_of(" \t", at + strlen(".entry"));
        const size_t end = text.find_first_of("( \t\r\n", at), close = text.find(')', at);
        if (end == std::string::npos || close == std::string::npos) {
            return INVALID_PTX;
        }
        const std::string name = text.substr(at, end - at);
        if (!agrees(name, sizes_of(text.substr(end, close - end)))) {
            return INVALID_PTX;
        }
        made->entries.insert(name);
        at = close;
    }
    *module = made.release();
    state().modules.insert(*module);
    state().counters.live_modules++;
    return SUCCESS;
}

std::string stand_in_ptx() {
    std::string text = ".version 8.0\n.target sm_70\n.address_size 64\n";
    for (const KernelEntry *entry = kernels; entry != nullptr; entry = entry->next) {
        text += format("\n.visible .entry %s(", entry->name);
        for (unsigned i = 0; i < entry->parameters; i++) {
            const unsigned size = entry->sizes[i];
            text += i > 0 ? ",\n" : "\n";
            text += size <= 8 ? format("\t.param .u%u %s_param_%u", 8 * size, entry->name, i)
                              : format("\t.param .align %u .b8 %s_param_%u[%u]", size % 8 == 0 ? 8 : 4,
                                       entry->name, i, size);
        }
        text += "\n)\n.maxntid " + std::to_string(entry->launch_bound) + ", 1, 1\n{\n\tret;\n}\n";
    }
    return text;
}
