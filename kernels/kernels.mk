# Kernels, the CUDA driver's stand-in and the emulator. Included by the Makefile.

DRIVER := $(CURDIR)/host/cuda/driver
STUBS  := $(CURDIR)/build/driver

# cuda5 includes <cuda.h> and links -lcuda -lcudart; these are ours. Go's cache does not look into -I and -L folders: the
# hash makes it rebuild what depends on them. -O2 -g is Go's default, which setting the variable drops. What the caller has
# set stays, but for what an earlier `make env` put there.
DRIVER_HASH := $(shell cat $(DRIVER)/* | sha1sum | cut -c1-12)
export CGO_CFLAGS  := $(or $(filter-out -I$(DRIVER) -DMDLSTM_DRIVER=%,$(CGO_CFLAGS)),-O2 -g) -I$(DRIVER) -DMDLSTM_DRIVER=$(DRIVER_HASH)
export CGO_LDFLAGS := -L$(STUBS) $(filter-out -L$(STUBS),$(CGO_LDFLAGS))

DRIVER_FLAGS := -std=c11 -O2 -g -fPIC -fvisibility=hidden -Wall -Wextra -Werror $(DRIVER_SANITIZE)
DRIVER_FILES := $(wildcard $(DRIVER)/*)

.PHONY: driver driver-asan env
env: ## the variables for go's own commands: eval "$(make -s env)"
	@printf 'export %s=%q\n' CGO_CFLAGS '$(CGO_CFLAGS)' CGO_LDFLAGS '$(CGO_LDFLAGS)'

driver: $(STUBS)/libcuda.a $(STUBS)/libcudart.a ## the static libraries that open the CUDA driver at run time

driver-asan: ## the same under AddressSanitizer, for go test -asan
	$(MAKE) driver STUBS=$(STUBS)-asan DRIVER_SANITIZE='-fsanitize=address -fno-omit-frame-pointer'

$(STUBS)/lib%.a: $(DRIVER_FILES) kernels/kernels.mk
	@mkdir -p $(@D)
	$(CC) $(DRIVER_FLAGS) -c $(DRIVER)/$(if $(filter cuda,$*),loader,runtime).c -o $(@:.a=.o)
	rm -f $@
	$(AR) rcs $@ $(@:.a=.o)

.PHONY: ptx ptx-check
ptx: ## compile the kernels to PTX (kernels/ptx; into build/ptx with NVCC=)
	scripts/ptx.sh build

ptx-check: ## rebuild and compare the PTX, assemble it for every target, refuse spills and doubles
	scripts/ptx.sh check

# The emulator: plain, checking every access, under sanitizers, and with fibers by ucontext as on other processors.
EMU_FLAGS := -std=c++17 -O2 -g -fPIC -fvisibility=hidden -fno-extern-tls-init -ffp-contract=fast -Wall -Wextra -Werror
ifeq ($(shell uname -m),x86_64)
EMU_FLAGS += -march=x86-64-v3 -mtls-dialect=gnu2
endif
EMU_PLAIN    := -DEMU_BUILD='"plain"'
EMU_CHECK    := -DEMU_BUILD='"checking"'
EMU_ASAN     := -DEMU_BUILD='"sanitized"' -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
EMU_PORTABLE := -DEMU_BUILD='"portable"' -DEMU_UCONTEXT
# Kernels only. A call before every access, none for stacks and globals; see kernels/emu/check.cpp.
EMU_CHECK_KERNELS := -fsanitize=kernel-address --param asan-instrumentation-with-call-threshold=0 --param asan-stack=0 \
                     --param asan-globals=0

EMU_SOURCES := $(filter-out kernels/emu/check.cpp,$(wildcard kernels/emu/*.cpp))
EMU_HEADERS := $(wildcard kernels/emu/*.h kernels/*.cuh $(DRIVER)/*.h) kernels/kernels.mk
# The lowest variant of each file: an extern "C" name can be compiled once.
EMU_PTX := $(wildcard kernels/ptx/*.75.ptx kernels/testdata/*.75.ptx)
EMU_PTX += $(foreach p,$(wildcard kernels/ptx/*.80.ptx kernels/testdata/*.80.ptx),$(if $(filter $(p:.80.ptx=.75.ptx),$(EMU_PTX)),,$(p)))
EMU_PTX += $(foreach p,$(wildcard kernels/ptx/*.90.ptx kernels/testdata/*.90.ptx),$(if $(filter $(p:.90.ptx=.75.ptx) $(p:.90.ptx=.80.ptx),$(EMU_PTX)),,$(p)))
EMU_FILES := $(basename $(basename $(EMU_PTX)))

.PHONY: emulator emulator-check emulator-asan emulator-portable
emulator: build/libcudaemu.so ## the CUDA driver and our kernels on the CPU, for tests
emulator-check: build/libcudaemu_check.so ## the same with every access to memory checked and counted
emulator-asan: build/libcudaemu_asan.so ## the same under AddressSanitizer and UBSan
emulator-portable: build/libcudaemu_portable.so ## the same with ucontext fibers

.PHONY: test-emu
test-emu: driver driver-asan emulator emulator-check emulator-asan emulator-portable ## the GPU tests on the emulator, in every mode
	scripts/test_emu.sh

# $(1) suffix, $(2) flags of all files, $(3) flags of kernels, $(4) further sources
define emulator_build
build/emu$(1)/%.o: kernels/emu/%.cpp $(EMU_HEADERS)
	@mkdir -p $$(@D)
	$(CXX) $(EMU_FLAGS) $(2) -I$(DRIVER) -c $$< -o $$@

build/emu$(1)/%.kernel.o: build/emu/%.entries.cpp kernels/%.cu $(EMU_HEADERS)
	@mkdir -p $$(@D)
	$(CXX) $(EMU_FLAGS) -Wno-unknown-pragmas -Wno-sign-compare $(2) $(3) -include kernels/emu/cudaemu.h -c $$< -o $$@

build/libcudaemu$(1).so: $(patsubst kernels/emu/%.cpp,build/emu$(1)/%.o,$(EMU_SOURCES) $(4)) $(patsubst kernels/%,build/emu$(1)/%.kernel.o,$(subst kernels/ptx/,kernels/,$(EMU_FILES)))
	$(CXX) $(EMU_FLAGS) $(2) -shared -Wl,-z,defs $$^ -o $$@ -lpthread
endef
$(eval $(call emulator_build,,$(EMU_PLAIN),,))
$(eval $(call emulator_build,_check,$(EMU_CHECK),$(EMU_CHECK_KERNELS),kernels/emu/check.cpp))
$(eval $(call emulator_build,_asan,$(EMU_ASAN),,))
$(eval $(call emulator_build,_portable,$(EMU_PORTABLE),,))

# The kernels of a .cu under the names in its PTX, so that neither can be without the other.
build/emu/%.entries.cpp: kernels/ptx/%.75.ptx kernels/%.cu
	$(entries)
build/emu/testdata/%.entries.cpp: kernels/testdata/%.75.ptx kernels/testdata/%.cu
	$(entries)
build/emu/%.entries.cpp: kernels/ptx/%.80.ptx kernels/%.cu
	$(entries)
build/emu/testdata/%.entries.cpp: kernels/testdata/%.80.ptx kernels/testdata/%.cu
	$(entries)
build/emu/%.entries.cpp: kernels/ptx/%.90.ptx kernels/%.cu
	$(entries)
build/emu/testdata/%.entries.cpp: kernels/testdata/%.90.ptx kernels/testdata/%.cu
	$(entries)
define entries
	@mkdir -p $(@D)
	{ echo '#include "$(CURDIR)/$(word 2,$^)"'; sed -n 's/^.*\.entry \([A-Za-z_0-9]*\).*/EMU_ENTRY(\1)/p' $<; } > $@
endef
.PRECIOUS: build/emu/%.entries.cpp build/emu/testdata/%.entries.cpp
