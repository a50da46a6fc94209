// SPDX-License-Identifier: GPL-2.0

//! What manual pages say beside what the definitions of the command line do.

use clap::Command;

/// When that was last changed.
pub(super) const DATE: &str = "November 23, 2026";

/// Of `relay`, or of a verb.
pub(super) struct Page {
    name: &'static str,
    /// Commands, and what they do.
    examples: &'static [(&'static str, &'static str)],
    /// Statuses besides 0, 1 and 2.
    status: &'static [(&'static str, &'static str)],
    files: &'static [(&'static str, &'static str)],
}

const LOST: (&str, &str) = ("3", "Data is missing, and --fail-on-loss was given.");
const INTERRUPTED: (&str, &str) = (
    "130",
    "Ended by ^C. What was there until then is complete, totals included.",
);
const DATA: (&str, &str) = ("/sys/kernel/relay/CHAN.d/cpuN", "Data of a CPU.");
const INFO: (&str, &str) = (
    "/sys/kernel/relay/CHAN.d/info",
    "Attributes and counters of a channel.",
);
const METADATA: (&str, &str) = (
    "/sys/kernel/relay/CHAN.d/metadata",
    "What the events of a channel of records look like.",
);
const LIST: (&str, &str) = ("/sys/kernel/relay/.channels", "All channels.");
const CHANNEL: (&str, &str) = ("/sys/kernel/relay/CHAN", "A channel.");

const PAGES: &[Page] = &[
    Page {
        name: "relay",
        examples: &[
            ("relay ls", "Which channels are there?"),
            (
                "relay cat -f net/rx",
                "Show what comes through a channel, until ^C.",
            ),
            (
                "relay record net/rx -o /tmp/trace -w 10 && babeltrace2 /tmp/trace",
                "Record ten seconds, and look at them.",
            ),
        ],
        status: &[LOST, INTERRUPTED],
        files: &[CHANNEL, DATA, INFO, METADATA, LIST],
    },
    Page {
        name: "ls",
        examples: &[
            ("relay ls -l", "All channels with all counters."),
            (
                "relay ls --json | jq -r 'select(.lost > 0).path'",
                "Channels that refused records.",
            ),
        ],
        status: &[],
        files: &[LIST],
    },
    Page {
        name: "cat",
        examples: &[
            (
                "relay cat net/rx",
                "What is there now, which is then consumed.",
            ),
            (
                "relay cat --observe -f --new net/rx",
                "What is written from now on, without taking it from whoever consumes it.",
            ),
            (
                "relay cat --observe -n 20 --time iso net/rx",
                "The last 20 records, with the time of day.",
            ),
            (
                "relay cat -f -o json net/rx | jq 'select(.type == \"lost\")'",
                "Where records are missing.",
            ),
            (
                "relay cat --fail-on-loss net/rx >out || echo incomplete",
                "Complete, or an error.",
            ),
        ],
        status: &[LOST, INTERRUPTED],
        files: &[CHANNEL, DATA, METADATA],
    },
    Page {
        name: "record",
        examples: &[
            ("relay record net/rx -o /tmp/trace", "Until ^C."),
            (
                "relay record net/rx net/tx -o /tmp/trace -- ping -c 3 localhost",
                "Two channels, as long as a command runs.",
            ),
            (
                "relay record net/rx -o /tmp/trace -w 60 --max-size 100M",
                "A minute, or 100 MiB.",
            ),
            ("babeltrace2 /tmp/trace", "Look at it with babeltrace2, or"),
            ("relay cat /tmp/trace/net/rx", "with relay."),
        ],
        status: &[LOST, INTERRUPTED],
        files: &[
            ("DIR/CHAN/metadata", "What the events look like."),
            ("DIR/CHAN/cpuN", "Packets of a CPU."),
        ],
    },
    Page {
        name: "stat",
        examples: &[
            ("relay stat net/rx", "Counters by CPU."),
            ("relay stat -i 1 net/rx", "Again each second, with rates."),
        ],
        status: &[INTERRUPTED],
        files: &[INFO],
    },
    Page {
        name: "flush",
        examples: &[("relay flush net/rx", "All that was written can be read.")],
        status: &[],
        files: &[CHANNEL],
    },
    Page {
        name: "reset",
        examples: &[("relay reset net/rx", "Throw away what is there.")],
        status: &[],
        files: &[CHANNEL],
    },
    Page {
        name: "info",
        examples: &[("relay info >report.txt", "For a report.")],
        status: &[],
        files: &[
            (
                "/sys/module/relayfs/parameters",
                "Parameters of the module.",
            ),
            (
                "/sys/kernel/security/lockdown",
                "What the kernel lets users do.",
            ),
        ],
    },
    Page {
        name: "completions",
        examples: &[(
            "relay completions bash >~/.local/share/bash-completion/completions/relay",
            "For oneself, in bash.",
        )],
        status: &[],
        files: &[],
    },
];

impl Page {
    /// Of this command.
    pub(super) fn of(name: &str) -> &'static Self {
        let found = PAGES.iter().find(|page| page.name == name);
        found.unwrap_or(&PAGES[0])
    }

    /// The sections of page `name` behind the options.
    pub(super) fn sections(&self, name: &str, verbs: &[&str]) -> Vec<(&'static str, String)> {
        let mut status = vec![
            ("0", "All was done."),
            (
                "1",
                "Something failed; standard error says what, and what to do.",
            ),
            ("2", "Wrong use."),
        ];
        status.extend(self.status);
        let mut sections = vec![("EXIT STATUS", list(&status))];
        if !self.files.is_empty() {
            sections.push(("FILES", list(self.files)));
        }
        let examples = self.examples.iter();
        let examples = examples
            .map(|(command, what)| format!(".TP\n{}\n.EX\n{}\n.EE\n", roff(what), roff(command)))
            .collect();
        sections.push(("EXAMPLES", examples));
        let mut others: Vec<String> = verbs.iter().map(|verb| format!("relay-{verb}")).collect();
        others.push("relay".into());
        others.retain(|other| other != name);
        others.sort_unstable();
        let mut pages: Vec<(String, u8)> = others.into_iter().map(|other| (other, 1)).collect();
        if name == "relay" || name == "relay-record" {
            pages.push(("babeltrace2".into(), 1));
            pages.sort_unstable();
        }
        pages.push(("relayfs".into(), 5));
        let last = pages.len() - 1;
        let pages = pages.iter().enumerate().map(|(at, (page, section))| {
            let comma = if at == last { "" } else { "," };
            format!(".BR {} ({section}){comma}\n", roff(page))
        });
        sections.push(("SEE ALSO", pages.collect()));
        sections
    }
}

/// The verbs of `relay`.
pub(super) fn verbs(command: &Command) -> String {
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    verbs
        .map(|verb| {
            let about = verb
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            format!(
                ".TP\n.BR {} (1)\n{}\n",
                roff(&format!("relay-{}", verb.get_name())),
                roff(&about)
            )
        })
        .collect()
}

/// Words, and what they mean.
fn list(entries: &[(&str, &str)]) -> String {
    entries
        .iter()
        .map(|(word, what)| format!(".TP\n.B {}\n{}\n", roff(word), roff(what)))
        .collect()
}

/// Plain text as roff has it.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('^', "\\(ha")
        .replace('~', "\\(ti")
        .replace('\'', "\\(aq")
}

/// Longest line of text in a page.
const WIDTH: usize = 78;

/// What clap_mangen writes, so that mandoc has nothing to complain about.
pub(super) fn tidy(page: &[u8]) -> String {
    let page = String::from_utf8_lossy(page).replace("\n.br\n\n.br\n", "\n.sp\n");
    let mut text = String::with_capacity(page.len());
    let mut example = false;
    let mut prelude = 0;
    for line in page.lines() {
        // In front of each section, and once is enough.
        if line.starts_with(".ie ") || line.starts_with(".el ") {
            prelude += 1;
            if prelude > 2 {
                continue;
            }
        }
        example = line == ".EX" || (example && line != ".EE");
        if example || line.starts_with('.') {
            text += line.trim_end();
            text.push('\n');
        } else {
            wrap(line, &mut text);
        }
    }
    text
}

/// Text in lines that are not too long.
fn wrap(line: &str, to: &mut String) {
    let mut width = 0;
    for word in line.split_whitespace() {
        // What begins with those is no text.
        let can_begin = !word.starts_with(['.', '\'']);
        if width != 0 && width + 1 + word.len() > WIDTH && can_begin {
            to.push('\n');
            width = 0;
        }
        if width != 0 {
            to.push(' ');
            width += 1;
        }
        *to += word;
        width += word.len();
    }
    to.push('\n');
}
