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

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::*;

    const CHILD: &str = "STEPWISE_TEST_EXIT_CHILD";

    extern "C" fn handler() {
        // SAFETY: `_exit` has no preconditions and does not return.
        unsafe { libc::_exit(9) }
    }

    /// Not a test of its own: [`exit_handlers_do_not_run`] runs it in a child process.
    #[test]
    fn child() {
        if std::env::var_os(CHILD).is_some() {
            // SAFETY: the handler may be called at any time.
            assert_eq!(unsafe { libc::atexit(handler) }, 0);
            exit_process(3);
        }
    }

    #[test]
    fn exit_handlers_do_not_run() {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        let output = command.args(["--exact", "process::tests::child"]).env(CHILD, "1").output().expect("it starts");
        assert_eq!(output.status.code(), Some(3), "{output:?}");
    }
}
