//! Protection of the process's memory, which holds passwords and keys: no core file, and for other processes of the same
//! user no way into it by `/proc` or a debugger. And a refusal of less memory than the program needs.

use std::io::{self, Write};

#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Protects the memory of this process, for good.
pub(super) fn protect_memory() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Address space that every command gets along with: the program, its threads, and what `serve` holds when it is busy.
const ADDRESS_SPACE: u64 = 256 << 20;

/// Refuses a limit of the address space that the program would exceed. An allocation that fails ends the process in the middle
/// of its work.
///
/// Before everything else, and without an allocation of its own.
pub(super) fn has_address_space() -> bool {
    let Some(limit) = getrlimit(Resource::As).current.filter(|limit| *limit < ADDRESS_SPACE) else { return true };
    // Standard error may be closed; there is nobody to tell then.
    let _ = writeln!(
        io::stderr(),
        "error: the address space of this process is limited to {} KiB (`ulimit -v`), and it needs {}: raise that limit, and \
         limit the memory of the container or service instead",
        limit >> 10,
        ADDRESS_SPACE >> 10
    );
    false
}
