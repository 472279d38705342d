//! Allocator settings for training.
#![allow(unsafe_code)] // Two settings of the C library.

/// Makes the C library keep freed memory for later allocations instead of returning it to the system. Call it once at
/// program start, before the large allocations. A training step frees and allocates the same buffers again and again,
/// and new pages cost more time than a small matrix product. The setting holds for the whole process, whose memory
/// therefore stays near its peak. It has no effect outside Linux with the GNU C library.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Bytes; larger allocations are always returned to the system. 32 MiB is the library's maximum.
        const LARGEST_KEPT: libc::c_int = 32 << 20;
        // SAFETY: documented parameters of `mallopt`, which rejects values that it does not support.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_KEPT);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        }
    }
}
