//! What the allocator does with memory that is given back.
#![allow(unsafe_code)] // Two settings of the C library.

/// Asks the C library to keep freed memory for the next allocation instead of handing it back to the system: a training step
/// frees and takes the same buffers over and over, and fresh pages cost more than small products take. To be called once,
/// early; elsewhere than with the GNU C library it does nothing.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Larger pieces than this are always returned; the library allows no more.
        const LARGEST_KEPT: libc::c_int = 32 << 20;
        // SAFETY: plain settings, in a form the library documents; it refuses what it does not know.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_KEPT);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        }
    }
}
