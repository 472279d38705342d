//! Memory and end of the process.
#![allow(unsafe_code)] // Two settings and one function of the C library.

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

/// Ends the process at once with an exit code. Exit handlers of C libraries do not run: the driver of a GPU frees memory in its
/// handler while its threads still compute, and the crash would replace the exit code. Stdout is not flushed; it keeps only
/// what follows the last line break.
pub fn exit_process(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions and does not return.
    #[cfg(unix)]
    unsafe {
        libc::_exit(code)
    }
    #[cfg(not(unix))]
    #[allow(clippy::disallowed_methods)] // The system ends all other threads before exit handlers run.
    std::process::exit(code)
}
