// One library of CUDA, opened when its first function is called. Linked in place of the library itself, it makes a
// binary that starts on machines without CUDA: there the function gives the error code MISSING.
//
// Compiled with LIBRARY (its name for the loader), FOLDER (where to look after the loader has), MISSING, QUIET (whether
// nothing is said when it is missing) and NAMES, a file with a line `FUNCTION(number, name)` for each function.
// A function here is a jump to the address in its slot; the first call fills the slot. Written for the calling
// convention of Linux on x86-64, without knowing what a function takes.

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#define FUNCTION(number, name) #name,
static const char *const names[] = {
#include NAMES
};
#undef FUNCTION

#define COUNT (sizeof names / sizeof *names)
static void *slots[COUNT] __asm__("on_demand_slots") __attribute__((used));
static void *library;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static long missing(void) { return MISSING; }

static void open_library(void) {
  library = dlopen(LIBRARY, RTLD_NOW | RTLD_GLOBAL);
  if (library) return;
  char reason[512];
  snprintf(reason, sizeof reason, "%s", dlerror());
  library = dlopen(FOLDER "/" LIBRARY, RTLD_NOW | RTLD_GLOBAL);
  if (!library && !QUIET) fprintf(stderr, "warning: CUDA: %s\n", reason);
}

static void *find(unsigned number) __asm__("on_demand_find") __attribute__((used));
static void *find(unsigned number) {
  pthread_once(&once, open_library);
  void *address = library ? dlsym(library, names[number]) : NULL;
  if (!address) address = (void *)missing;
  __atomic_store_n(&slots[number], address, __ATOMIC_RELEASE);
  return address;
}

// Keeps all that may hold an argument, asks for the address, and goes there as if it had been called.
__asm__(
    ".text\n"
    "on_demand_first:\n"
    "  pushq %rbp\n  movq %rsp, %rbp\n"
    "  pushq %rdi\n  pushq %rsi\n  pushq %rdx\n  pushq %rcx\n  pushq %r8\n  pushq %r9\n"
    "  subq $128, %rsp\n"
    "  movups %xmm0, (%rsp)\n  movups %xmm1, 16(%rsp)\n  movups %xmm2, 32(%rsp)\n  movups %xmm3, 48(%rsp)\n"
    "  movups %xmm4, 64(%rsp)\n  movups %xmm5, 80(%rsp)\n  movups %xmm6, 96(%rsp)\n  movups %xmm7, 112(%rsp)\n"
    "  movl %eax, %edi\n  call on_demand_find\n"
    "  movups (%rsp), %xmm0\n  movups 16(%rsp), %xmm1\n  movups 32(%rsp), %xmm2\n  movups 48(%rsp), %xmm3\n"
    "  movups 64(%rsp), %xmm4\n  movups 80(%rsp), %xmm5\n  movups 96(%rsp), %xmm6\n  movups 112(%rsp), %xmm7\n"
    "  addq $128, %rsp\n"
    "  popq %r9\n  popq %r8\n  popq %rcx\n  popq %rdx\n  popq %rsi\n  popq %rdi\n"
    "  popq %rbp\n"
    "  jmp *%rax\n");

#define FUNCTION(number, name)                          \
  __asm__(".text\n.globl " #name "\n"                   \
          ".type " #name ", @function\n"                \
          #name ":\n"                                   \
          "  movq on_demand_slots+8*" #number "(%rip), %rax\n" \
          "  testq %rax, %rax\n  jz 1f\n  jmp *%rax\n"  \
          "1: movl $" #number ", %eax\n"                \
          "  jmp on_demand_first\n");
#include NAMES
