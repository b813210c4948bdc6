//! `credenza completions`.

use clap_complete::{Shell, generate};

#[derive(clap::Args)]
pub(super) struct Options {
    /// The shell
    shell: Shell,
}

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(options.shell, &mut super::command(), "credenza", &mut script);
    super::print_line(String::from_utf8(script)?.trim_end())
}
