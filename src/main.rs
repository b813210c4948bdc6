//! The `credenza` program: parse arguments, start the runtime, turn an error into an exit code.

use std::process::ExitCode;

/// A request makes some fifty small allocations, in tasks that other threads may free: what this allocator is for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    credenza::cli::run()
}
