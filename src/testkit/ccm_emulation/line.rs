//! The command lines that are understood; anything else is a usage error, as in the manuals.

use super::Failure;
use crate::driver::ccm::names::GroupType;

/// What a line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    ArrayList,
    ArrayDetail,
    Volumes,
    GroupCreate,
    GroupDelete,
    PairAdd,
    PairRemove,
    Query,
    AllCopies,
    Start,
    Suspend,
    Resume,
    Reverse,
    Change,
    Cancel,
}

/// A command with its options.
struct Syntax {
    program: &'static str,
    verb: &'static str,
    asked: Asked,
    /// Options with a value; those that must be there first.
    needed: &'static [&'static str],
    valued: &'static [&'static str],
    flags: &'static [&'static str],
    usage: &'static str,
}

const MODES: &[&str] = &["-p", "-transfer", "-split", "-recovery"];

const SYNTAX: &[Syntax] = &[
    Syntax {
        program: "acarray",
        verb: "list",
        asked: Asked::ArrayList,
        needed: &[],
        valued: &[],
        flags: &[],
        usage: "acarray list [-xml]",
    },
    Syntax {
        program: "acarray",
        verb: "detail",
        asked: Asked::ArrayDetail,
        needed: &["-a"],
        valued: &[],
        flags: &[],
        usage: "acarray detail -a DISKARRAY-NAME [-xml]",
    },
    Syntax {
        program: "acinq",
        verb: "lv",
        asked: Asked::Volumes,
        needed: &["-a"],
        valued: &[],
        flags: &["-l"],
        usage: "acinq lv -a DISKARRAY-NAME [-l] [-xml]",
    },
    Syntax {
        program: "acgroup",
        verb: "create",
        asked: Asked::GroupCreate,
        needed: &["-g", "-type", "-a"],
        valued: &[],
        flags: &[],
        usage: "acgroup create -g COPY-GROUP -type {OPC|EC|REC} -a DISKARRAY-NAME [-a DISKARRAY-NAME] [-xml]",
    },
    Syntax {
        program: "acgroup",
        verb: "delete",
        asked: Asked::GroupDelete,
        needed: &["-g"],
        valued: &[],
        flags: &[],
        usage: "acgroup delete -g COPY-GROUP [-xml]",
    },
    Syntax {
        program: "acpair",
        verb: "add",
        asked: Asked::PairAdd,
        needed: &["-g", "-p"],
        valued: &[],
        flags: &[],
        usage: "acpair add -g COPY-GROUP -p PAIR [-xml]",
    },
    Syntax {
        program: "acpair",
        verb: "remove",
        asked: Asked::PairRemove,
        needed: &["-g", "-p"],
        valued: &[],
        flags: &[],
        usage: "acpair remove -g COPY-GROUP -p PAIR [-xml]",
    },
    Syntax {
        program: "acec",
        verb: "start",
        asked: Asked::Start,
        needed: &["-g"],
        valued: MODES,
        flags: &[],
        usage: "acec start -g COPY-GROUP(EC) [-p PAIR] [-xml]\n        acec start -g COPY-GROUP(REC) [-p PAIR]\n                [-transfer {sync [-split {auto|manual}]|through|consist|stack}]\n                [-recovery {auto|manual}]\n                [-xml]",
    },
    Syntax {
        program: "acec",
        verb: "query",
        asked: Asked::Query,
        needed: &["-g"],
        valued: &["-p"],
        flags: &[],
        usage: "acec query -g COPY-GROUP [-p PAIR] [-xml]",
    },
    Syntax {
        program: "acec",
        verb: "suspend",
        asked: Asked::Suspend,
        needed: &["-g"],
        valued: &["-p"],
        flags: &["-force"],
        usage: "acec suspend -g COPY-GROUP [-p PAIR] [-force] [-xml]",
    },
    Syntax {
        program: "acec",
        verb: "resume",
        asked: Asked::Resume,
        needed: &["-g"],
        valued: &["-p"],
        flags: &[],
        usage: "acec resume -g COPY-GROUP [-p PAIR] [-xml]",
    },
    Syntax {
        program: "acec",
        verb: "reverse",
        asked: Asked::Reverse,
        needed: &["-g"],
        valued: &["-p"],
        flags: &[],
        usage: "acec reverse -g COPY-GROUP [-p PAIR] [-xml]",
    },
    Syntax {
        program: "acec",
        verb: "change",
        asked: Asked::Change,
        needed: &["-g"],
        valued: MODES,
        flags: &[],
        usage: "acec change -g COPY-GROUP(REC) [-p PAIR] [-transfer {sync [-split {auto|manual}]|through|consist|stack}] [-recovery {auto|manual}] [-xml]",
    },
    Syntax {
        program: "acec",
        verb: "cancel",
        asked: Asked::Cancel,
        needed: &["-g"],
        valued: &["-p"],
        flags: &["-force"],
        usage: "acec cancel -g COPY-GROUP [-p PAIR] [-force] [-xml]",
    },
    Syntax {
        program: "acopc",
        verb: "start",
        asked: Asked::Start,
        needed: &["-g"],
        valued: &["-p"],
        flags: &[],
        usage: "acopc start -g COPY-GROUP [-p PAIR] [-xml]",
    },
    Syntax {
        program: "acopc",
        verb: "query",
        asked: Asked::Query,
        needed: &["-g"],
        valued: &["-p"],
        flags: &[],
        usage: "acopc query -g COPY-GROUP [-p PAIR] [-xml]",
    },
    Syntax {
        program: "acopc",
        verb: "cancel",
        asked: Asked::Cancel,
        needed: &["-g"],
        valued: &["-p"],
        flags: &["-force"],
        usage: "acopc cancel -g COPY-GROUP [-p PAIR] [-force] [-xml]",
    },
    Syntax {
        program: "accopy",
        verb: "query",
        asked: Asked::AllCopies,
        needed: &["-a"],
        valued: &["-type", "-sa", "-ta"],
        flags: &[],
        usage: "accopy query -a DISKARRAY-NAME -type { local | remote | odx | all } [-xml]\n        accopy query -a DISKARRAY-NAME -sa SOURCE-DISKARRAY-NAME -ta TARGET-DISKARRAY-NAME [-xml]",
    },
];

/// A line taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    pub asked: Asked,
    /// Copies of `acopc` are OPC, those of `acec` EC or REC.
    pub opc: bool,
    options: Vec<(&'a str, &'a str)>,
    flags: Vec<&'a str>,
    usage: &'static str,
}

impl<'a> Line<'a> {
    pub fn read(words: &[&'a str]) -> Result<Self, Failure> {
        let (Some(program), Some(verb)) = (words.first(), words.get(1)) else {
            return Err(usage_of(words.first().copied()));
        };
        let program = program.rsplit('/').next().unwrap_or_default();
        let syntax = SYNTAX
            .iter()
            .find(|syntax| syntax.program == program && syntax.verb == *verb)
            .ok_or_else(|| usage_of(Some(program)))?;
        let mut line = Self {
            asked: syntax.asked,
            opc: syntax.program == "acopc",
            options: Vec::new(),
            flags: Vec::new(),
            usage: syntax.usage,
        };
        let mut rest = words[2..].iter();
        while let Some(word) = rest.next() {
            if syntax.needed.contains(word) || syntax.valued.contains(word) {
                let value = rest.next().filter(|value| !value.starts_with('-')).ok_or_else(|| line.wrong())?;
                line.options.push((word, value));
            } else if *word == "-xml" || syntax.flags.contains(word) {
                line.flags.push(word);
            } else {
                return Err(line.wrong());
            }
        }
        let twice = line.options.iter().enumerate().any(|(at, (option, _))| {
            let again = line.options[..at].iter().filter(|(before, _)| before == option).count();
            again > usize::from(syntax.asked == Asked::GroupCreate && *option == "-a")
        });
        if twice || syntax.needed.iter().any(|needed| line.option(needed).is_none()) {
            return Err(line.wrong());
        }
        Ok(line)
    }

    pub fn option(&self, option: &str) -> Option<&'a str> {
        self.all(option).next()
    }

    pub fn all(&self, option: &str) -> impl Iterator<Item = &'a str> {
        self.options.iter().filter(move |(name, _)| *name == option).map(|(_, value)| *value)
    }

    /// An option that the syntax needs.
    pub fn needed(&self, option: &str) -> &'a str {
        self.option(option).unwrap_or_default()
    }

    pub fn flag(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    /// Whether a group of that type may be named in this line.
    pub fn fits(&self, group: GroupType) -> bool {
        self.opc == (group == GroupType::Opc)
    }

    pub fn wrong(&self) -> Failure {
        Failure { usage: Some(self.usage), ..Failure::new(1, "ccm1001 An invalid argument was specified.") }
    }
}

fn usage_of(program: Option<&str>) -> Failure {
    let usage = program.and_then(|program| SYNTAX.iter().find(|syntax| syntax.program == program));
    Failure { usage: usage.map(|syntax| syntax.usage), ..Failure::new(1, "ccm1001 An invalid argument was specified.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Line<'_>, Failure> {
        Line::read(&text.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn every_line_that_the_driver_sends_is_understood() {
        for text in [
            "acarray list -xml",
            "/opt/FJSVccm/bin/acarray detail -a KYOTO1 -xml",
            "acinq lv -a KYOTO1 -l -xml",
            "acgroup create -g G -type REC -a KYOTO1 -a NARA2 -xml",
            "acpair add -g G -p KYOTO1/0x1:KYOTO1/0x6 -xml",
            "acec start -g G -p KYOTO1/0x1:NARA2/0x6 -transfer sync -split manual -recovery auto -xml",
            "acec suspend -g G -p KYOTO1/0x1:KYOTO1/0x6 -force -xml",
            "accopy query -a KYOTO1 -type all -xml",
        ] {
            assert!(read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn anything_else_is_a_usage_error() {
        for text in [
            "acec",
            "acec begin",
            "acec start",
            "acec start -g",
            "acec start -g -xml",
            "acec start -g G -q",
            "acec start -g G -g H",
            "acec query -g G -force",
            "acgroup create -g G -type EC -a A -a B -a C",
            "reboot now",
        ] {
            let failure = read(text).unwrap_err();
            assert_eq!(failure.code, 1, "{text}");
            assert!(failure.message.starts_with("ccm1001"), "{text}");
        }
    }
}
