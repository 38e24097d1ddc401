// The files that embedded.cc gives out. The build defines the paths.

    .section .rodata.embedded, "a", %progbits

.macro embed name, path
    .balign 16
    .globl shmcheck_embedded_\name
    .globl shmcheck_embedded_\name\()_end
shmcheck_embedded_\name:
    .incbin "\path"
shmcheck_embedded_\name\()_end:
    .byte 0
.endm

    embed executor, EMBED_EXECUTOR
    embed conformance, EMBED_CONFORMANCE
    embed initramfs, EMBED_INITRAMFS
    embed corpus, EMBED_CORPUS
    embed expectations, EMBED_EXPECTATIONS

    .section .note.GNU-stack, "", %progbits
