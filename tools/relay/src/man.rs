// SPDX-License-Identifier: GPL-2.0

//! Manual pages and completions, made of the definitions of the command line.

mod text;

use crate::cli::Cli;
use crate::end::End;
use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use text::Page;

/// Writes completions for a shell
///
/// To standard output. They belong where the shell looks for them, such as
/// /usr/share/bash-completion/completions/relay, /usr/share/zsh/site-functions/_relay, or
/// /usr/share/fish/vendor_completions.d/relay.fish.
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Writes the manual pages into a folder
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// Which folder; it is made
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub(crate) fn completions(args: &Completions) -> Result<End> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "relay", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(End::Complete)
}

pub(crate) fn run(args: &Man) -> Result<End> {
    let dir = &args.dir;
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    for (name, page) in pages()? {
        let path = dir.join(name);
        fs::write(&path, page).with_context(|| path.display().to_string())?;
    }
    Ok(End::Complete)
}

/// All pages: names of files, and what is in them.
fn pages() -> Result<Vec<(String, String)>> {
    let mut command = Cli::command();
    command.build();
    let verbs: Vec<&Command> = command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
        .collect();
    let names: Vec<&str> = verbs.iter().map(|verb| verb.get_name()).collect();
    let mut pages = vec![("relay.1".to_owned(), page(&command, "relay", &names)?)];
    for verb in &verbs {
        let name = format!("relay-{}", verb.get_name());
        pages.push((format!("{name}.1"), page(verb, &name, &names)?));
    }
    Ok(pages)
}

/// A page about `command`, which is `relay` or a verb.
fn page(command: &Command, name: &str, verbs: &[&str]) -> Result<String> {
    let text = Page::of(command.get_name());
    // As it is in the index of pages, not as it is typed.
    let named = command.clone().name(name.to_owned()).display_name(name);
    let man = clap_mangen::Man::new(named)
        .title(name.to_uppercase())
        .section("1")
        .date(text::DATE)
        .source(concat!("relayfs ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut page = b".\\\" SPDX-License-Identifier: GPL-2.0\n".to_vec();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut sections = Vec::new();
    if name == "relay" {
        sections.push(("VERBS", text::verbs(command)));
    }
    sections.extend(text.sections(name, verbs));
    for (title, lines) in sections {
        page.extend_from_slice(format!(".SH {title}\n{lines}").as_bytes());
    }
    Ok(text::tidy(&page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_has_a_page_with_all_sections() {
        let pages = pages().unwrap();
        assert!(pages.len() >= 9);
        for (name, page) in pages {
            for section in [
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "EXAMPLES",
                "EXIT STATUS",
                "SEE ALSO",
            ] {
                assert!(
                    page.contains(&format!(".SH \"{section}\"\n"))
                        || page.contains(&format!(".SH {section}\n")),
                    "{name}: {section}"
                );
            }
        }
    }
}
