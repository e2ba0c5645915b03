//! The texts of the help pages: the first page, and what follows the options of a verb. Tests type every example.

/// The first page: usage, commands by what one wants to do, options, and what all verbs have in common.
pub const FRONT_PAGE: &str = "\
{about-with-newline}
Usage: ecdeck [OPTIONS]            the console
       ecdeck [OPTIONS] COMMAND    one command, for prompts and scripts

{before-help}Options:
{options}{after-help}";

/// The commands of the first page; a test holds it to the tree.
pub const COMMANDS: &str = "\
Look:
  status       The present state: volumes, pool, copies, operations
  check        Whether every volume is recoverable, for monitors
  notify       Try out the hook of [notify]
  report       What happened since a moment, and what needs a person
  metrics      The site in figures, for a node exporter
  history      Generations, kept and released; hold, delete, accept them
  audit        Every request, decision, command and answer
  catalogue    Copies of the catalogue, and putting one in its place
  explain      What a code like ecd-1301 means, and what to do

Back up:
  sync         Start, suspend, resume and end synchronizations
  wait         Until volumes are equivalent, suspended or idle
  backup       Back up: the equivalent copy becomes a generation
  snapshot     Back up by a one-point copy (OPC) of the volume as it is
  restore      Restore a generation to another volume, or to its own
  practice     Copy a generation to a spare volume and compare its bytes
  reconcile    Where catalogue and arrays disagree; take over from ACM

Set up:
  init         Set up a site for the first time
  volume       Which volumes belong to the site
  policy       Generations kept, days between backups, mode
  set          Sets: transaction volumes that are backed up together
  map          Device maps: which backup volume for which transaction volume
  site         The site as a file: write it, compare it, apply it
  hook         Scripts before and after a backup
  host         Disks, volume groups and mounts of hosts
  array        The arrays; create and control embedded arrays

Other:
  serve        Run the engine in the foreground, for a service manager
  completions  Completions for a shell
  man          The manual page";

pub const STATUS_EXAMPLES: &str = "\
Examples:
  ecdeck status --watch 10           a line for each volume that changed
  ecdeck status --json | jq '.transaction_volumes[] | select(.problem)'

The pool's columns: unused; bound to a transaction volume without a generation;
kept, with a generation on them; in a live session; failed; used by other
programs. `need` is what the policies need of that size.";

pub const RESTORE_EXAMPLES: &str = "\
Examples:
  ecdeck restore db01 --version 17 --unmounted              proposes a volume
  ecdeck restore db01 --version 17 --to DX1/0x31 --unmounted --confirm DX1/0x31
  ecdeck restore db01 --version 17 --to db01 --unmounted    onto itself
  ecdeck restore --set erp --version 17 --unmounted         all of it, or none
  ecdeck restore --set erp --instant 02:00 --unmounted
  ecdeck restore --cancel DX1/0x31

The copy is one-point (OPC), inside the array of the generation. Until it has
ended the target is restore-incomplete. The generation stays as it is. What a
transaction volume is now is first copied to an unused backup volume and held;
--without-present-state declines.";

pub const SNAPSHOT_EXAMPLES: &str = "\
Examples:
  ecdeck snapshot db01
  ecdeck snapshot db01 --cancel      end it: nothing is recorded

The copy is one-point (OPC) to an unused backup volume of the same array. The
generation has the time at which the copy began, is crash-consistent, and
counts in the policy. Nothing ever turns a backup into a snapshot by itself.";

pub const PRACTICE_NOTE: &str = "\
Examples:
  ecdeck practice db01               the newest generation that can be compared
  ecdeck practice db01 --version 17
  ecdeck practice --due --yes        for a timer: one volume a run
  ecdeck practice db01 --cancel      end it

The generation is copied to an unused backup volume that no start of the next
night takes. The copy is read and compared with the fingerprint of the
generation, and the backup volume is unused again. Whatever needs one of the
two volumes meanwhile ends the practice. A copy that differs puts the
generation in doubt, and the status is 1.";

pub const RECONCILE_EXAMPLES: &str = "\
Examples:
  ecdeck reconcile                   what differs, and what is proposed
  ecdeck reconcile db01 --accept     does it for one volume, after its plan
  ecdeck reconcile DX1/0x21 --accept one row: the one about this volume
  ecdeck reconcile --accept --only adopt,forget
  ecdeck reconcile release db01      gives an adopted volume back

adopt and forget change the catalogue only. release ends a session on the array
by force: its plan shows the command, and wants --confirm where the session is
another program's. An adopted generation is held and in doubt until somebody
accepts it. Nothing is started on a volume that another program backs up.";

pub const SET_EXAMPLES: &str = "\
Examples:
  ecdeck set add erp db01 db02 db03
  ecdeck sync start --set erp --wait
  ecdeck backup --set erp            all of it at one instant, or nothing
  ecdeck set remove erp db03";

pub const IMPORT_EXAMPLES: &str = "\
Examples:
  ecdeck map import nightly A.map B.map C.map
  ecdeck map import nightly /etc/ecdeck/maps --dry-run";

pub const MAP_EXAMPLES: &str = "\
A device map has one pair a line: the transaction volume, blanks or tabs, the
backup volume. # begins a comment. Every name that a volume is known by is
allowed. A map never ends a generation.

Examples:
  ecdeck map new > tonight.map       the backup volumes that would be taken now
  ecdeck map check tonight.map       every finding with its line and column
  ecdeck sync start --map tonight.map --wait --yes";

pub const INIT_NOTE: &str = "\
On a terminal it asks for the site's name, looks for arrays, examines them, and
writes the configuration, which only you can read. Then the console chooses
volumes and policies. Without a terminal, or for a site that is written down:
  ecdeck init --from site.toml --yes
A configuration that is there already is never overwritten.";

pub const SITE_EXAMPLES: &str = "\
Examples:
  ecdeck site export site.toml
  ecdeck site diff site.toml         what the file would change
  ecdeck site apply site.toml        all of it, or nothing";

pub const SITE_APPLY_NOTE: &str = "\
Every error of the file is shown with its line and column, and then nothing of
it is applied. What the file does not name stays as it is: a line that you take
out deletes nothing. With --ensure a file that changes nothing is a success.";

pub const BACKUP_EXAMPLES: &str = "\
The copy is suspended at one instant and recorded as the newest generation; the
oldest one beyond the policy is released after that. Before equivalence a
backup is refused.

Examples:
  ecdeck backup db01                 show the plan, ask, do it
  ecdeck backup db01 --wait --yes --time-limit 2h
                                     for a script: when it is equivalent
  ecdeck backup db01 --dissolve      end the session, whatever the policy says";

pub const HISTORY_EXAMPLES: &str = "\
Examples:
  ecdeck history                     all of the site, newest first
  ecdeck history db01                of one transaction volume
  ecdeck history DX1/0x21            what was kept on a backup volume
  ecdeck history hold db01 --version 17 --reason tape
  ecdeck history verify db01         are they still what was kept?";

pub const SERVE_NOTE: &str = "\
Without a service the first command starts an engine; that engine ends after
ten idle minutes. SIGTERM ends either of them cleanly.";

pub const CANCEL_NOTE: &str = "\
Without --volume and --all it ends only the live session. Suspended sessions
stay, so that their next copy is differential.";

pub const FORCE_STOP_NOTE: &str = "\
Use it when the array accepts nothing else. It needs no host. The copy that
runs is lost.";

pub const START_EXAMPLES: &str = "\
It takes a backup volume that is bound to the transaction volume, else an unused
one of equal size, in the same array first.

Examples:
  ecdeck sync start db01             show the plan, ask, start the copy
  ecdeck sync start db01 db02 --wait --yes
                                     for a script: return at equivalence
  ecdeck sync start db01 --overwrite-version 3 --confirm DX1/0x21
                                     onto the volume of v3, which is released";

pub const CHECK_NOTE: &str = "\
yes: the newest sound generation is not older than the policy's interval and
grace. late: it is older. in doubt: what would be young enough has to be looked
at. no: there is no backup.

Statuses: 0 all are recoverable; 1 some are not; 5 no engine runs, or an array
or the catalogue is silent.
With --nagios: 1 late, or no policy; 2 never backed up, in doubt, later than
twice the limit, no engine, silent array; 3 unknown.

Examples:
  ecdeck check
  ecdeck check --nagios db01 db02";

pub const WAIT_NOTE: &str = "\
For scripts that did not start the copy themselves. It changes nothing, and what
it waits for continues without it.

Statuses: 0 all are there; 1 one of them does not come there by itself any more
(its code is printed); 5 the engine or an array does not answer; 8 time limit.

Examples:
  ecdeck wait db01 db02 --for equivalent --time-limit 2h
  ecdeck wait --set erp --for suspended";

pub const REPORT_NOTE: &str = "\
The first line says whether anything needs a person: what is wrong now, and what
failed and was not done since. A job is what one process asked for. The figures
come from the audit, so an engine that ended in between changes nothing.
A trouble has an ID in brackets. One that is acknowledged needs nobody until its
time, or until it is over: when it comes back, it is a new one.

Examples:
  ecdeck report --since 18:00
  ecdeck report --since 2d --json
  ecdeck report acknowledge 3f9a2c1b --reason disk-ordered --until 08:00";

pub const METRICS_NOTE: &str = "\
All figures are of one moment. Nothing is changed, and no engine is started.
If no engine answers, the document has `ecdeck_engine_up 0` alone, and the
status is 5. `--output` replaces the file as a whole, so a collector never
reads half of it. assets/ecdeck-metrics.timer runs it each minute.

Examples:
  ecdeck metrics
  ecdeck metrics --output /var/lib/node_exporter/ecdeck.prom --time-limit 30s";

pub const POLICY_EXAMPLE: &str = "\
Example:
  ecdeck policy set db01 --generations 3 --interval 1 --mode suspend
  ecdeck policy set db01 --floor 2 --min-interval 4h --grace 2h

Synchronized backup of G generations needs G + 1 backup volumes of equal size.";

pub const PREVIEW_NOTE: &str = "\
Each night is planned as a start and a backup would be,
for all volumes that share the pool. It assumes one start and one backup
of each volume that is due, copies that are equivalent in time,
and nothing else. Nothing is changed.

Example:
  ecdeck policy preview db01 --weeks 2";

pub const ADD_EXAMPLES: &str = "\
Examples:
  ecdeck volume add --transaction DX1/0x1 --name db01
  ecdeck volume add --backup DX1/0x21
  ecdeck volume add --backup DX1/0x21-0x2F DX2/0x11";

pub const EXPORT_EXAMPLE: &str = "\
Example:
  ecdeck audit export --from 1000 > audit.jsonl";

pub const AFTER: &str = "\
Begin with:
  ecdeck --demo                      look around on the demonstration site
  ecdeck sync start db01 --wait      synchronize, return at equivalence
  ecdeck backup db01                 take the backup: shows its plan and asks

A volume is named by its registered name, by its place (DX1/0x21), or by its
identity. A command that changes something shows its plan first: --dry-run stops
there, --yes agrees to it. `ecdeck COMMAND --help` says more.

Exit status:
  0 done       3 refused by the rules           6 partly done
  1 failed     4 outcome unknown                7 held by another operation
  2 usage      5 engine, array or catalogue     8 time limit
                 not reachable";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::CommandLine;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_first_page_has_every_command() {
        let command = CommandLine::command();
        let listed = COMMANDS.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        let mut listed: Vec<&str> = listed.collect();
        let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        let mut there: Vec<&str> = shown.map(clap::Command::get_name).collect();
        listed.sort_unstable();
        there.sort_unstable();
        assert_eq!(listed, there);
    }

    /// Every verb with a line of its own, and every argument of it.
    #[test]
    fn every_verb_and_every_argument_says_what_it_is() {
        fn look(command: &clap::Command, path: &str, silent: &mut Vec<String>) {
            let path = format!("{path} {}", command.get_name());
            if command.get_about().is_none() {
                silent.push(path.clone());
            }
            let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
            silent.extend(shown.filter(|a| a.get_help().is_none()).map(|a| format!("{path} {}", a.get_id())));
            command.get_subcommands().filter(|verb| !verb.is_hide_set()).for_each(|verb| look(verb, &path, silent));
        }
        let mut silent = Vec::new();
        look(&CommandLine::command(), "", &mut silent);
        assert!(silent.is_empty(), "{silent:#?}");
    }

    #[test]
    fn every_example_can_be_typed_and_fits_a_terminal() {
        fn pages(command: &clap::Command) -> Vec<String> {
            let own = command.get_after_help().map(ToString::to_string).into_iter();
            own.chain(command.get_subcommands().flat_map(pages)).collect()
        }
        let mut found = 0;
        for line in pages(&CommandLine::command()).iter().flat_map(|page| page.lines()) {
            assert!(line.len() <= 80, "{line:?} is wider than a terminal");
            let Some(example) = line.strip_prefix("  ecdeck ") else { continue };
            let typed = example.split("   ").next().unwrap_or_default().split(['|', '>']).next().unwrap_or_default();
            let words = std::iter::once("ecdeck").chain(typed.split_whitespace());
            assert!(CommandLine::try_parse_from(words).is_ok(), "{typed}");
            found += 1;
        }
        assert!(found > 15, "only {found} examples");
    }
}
