//! `spacetime completions` and `spacetime man`: what shells and manuals want to know of this
//! program, made from the same description as its help.

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_complete::Shell;

use crate::output::say_part;

/// The flags of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The flags of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// One command's page; the program's own if absent
    command: Vec<String>,
    /// The help of all commands, as a Markdown document
    #[arg(long, conflicts_with = "command")]
    markdown: bool,
}

/// Prints a script that completes commands and flags.
pub(crate) fn completions(mut program: Command, arguments: &CompletionsArguments) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "spacetime", &mut script);
    say_part(String::from_utf8(script).context("the script is not text")?);
    Ok(())
}

/// Prints a manual page, or the reference.
pub(crate) fn man(mut program: Command, arguments: &ManArguments) -> Result<()> {
    program.build();
    if arguments.markdown {
        say_part(reference(&mut program));
        return Ok(());
    }
    let mut command = &program;
    for name in &arguments.command {
        let found = command.find_subcommand(name);
        command = found.with_context(|| format!("there is no command `{name}`"))?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .context("the page cannot be made")?;
    say_part(String::from_utf8(page).context("the page is not text")?);
    Ok(())
}

/// The help of every command that is shown, in the order of the help.
fn reference(program: &mut Command) -> String {
    let mut out = String::from(
        "# The `spacetime` command\n\n\
         The help of every command, as the program prints it (`spacetime man --markdown`).\n\n\
         Results and progress go to the standard output, everything else to the standard error\n\
         stream. The exit status is 0 for success, 1 for an error that is told as `Error: ..`,\n\
         and 2 for arguments that are not understood.\n",
    );
    section(program, "spacetime", &mut out);
    out
}

fn section(command: &mut Command, name: &str, out: &mut String) {
    out.push_str(&format!("\n## {name}\n\n```text\n"));
    let help = command.render_long_help().to_string();
    for line in help.trim_end().lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push_str("```\n");
    for inner in command.get_subcommands_mut() {
        if inner.is_hide_set() || inner.get_name() == "help" {
            continue;
        }
        let name = format!("{name} {}", inner.get_name());
        section(inner, &name, out);
    }
}
