//! The `credenza` program: parse arguments, start the runtime, turn an error into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    credenza::cli::run()
}
