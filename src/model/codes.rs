//! The stable codes of refusals, errors and warnings: one table, with text, why and what to do.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// `ecd-1301`: the number is for ever, the texts may get better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(u16);

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    pub code: Code,
    /// What is the case, in half a sentence.
    pub text: &'static str,
    /// Why that is refused, or matters.
    pub why: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl Code {
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The last code that a sentence names, as `(ecd-1904)`.
    pub fn named_in(text: &str) -> Option<Self> {
        let named = text.rmatch_indices("ecd-").find_map(|(at, _)| text.get(at..at + 8)?.parse().ok());
        named.filter(|code: &Self| code.explain().is_some())
    }

    /// The row of the table; every code that the program makes has one.
    pub fn explain(self) -> Option<&'static Explanation> {
        TABLE.iter().find(|row| row.code == self)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ecd-{:04}", self.0)
    }
}

impl FromStr for Code {
    type Err = String;

    /// Takes `ecd-1301` and `1301`.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("ecd-").unwrap_or(text);
        let number = digits.parse().map_err(|_| format!("{text:?} is not a code: write it as ecd-1301"))?;
        let code = Self(number);
        code.explain().map(|_| code).ok_or_else(|| format!("there is no code ecd-{number:04}"))
    }
}

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.strip_prefix("ecd-").and_then(|digits| digits.parse().ok()).map(Self).ok_or(text)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.to_string()
    }
}

macro_rules! codes {
    ($($number:literal $name:ident: $text:literal, $why:literal, $remedy:literal;)*) => {
        impl Code {
            $(#[doc = $text] pub const $name: Self = Self($number);)*
        }

        /// All codes, in order.
        pub static TABLE: &[Explanation] = &[
            $(Explanation { code: Code::$name, text: $text, why: $why, remedy: $remedy },)*
        ];
    };
}

codes! {
    1001 NOT_AUTHORISED: "you may not do this",
        "The verb needs a role that your user does not have, or the console is read-only.",
        "Ask an administrator of the site, or start the console without --read-only.";
    1002 PLAN_CHANGED: "the plan has changed",
        "The array or the catalogue changed after you agreed, so another plan would run now. Nothing was done.",
        "Read the new plan and agree to it.";
    1003 NOT_AGREED: "nobody agreed to the plan",
        "A verb that changes something shows its plan first and runs only what was agreed to.",
        "Answer the question, or give --yes. A plan that destroys data needs --confirm NAME as well.";
    1004 CONFIRMATION_MISMATCH: "the confirmation names something else",
        "A plan that destroys data needs the exact name of what is overwritten or released.",
        "Give --confirm with the name that the plan prints.";
    1101 UNKNOWN_VOLUME: "no such volume",
        "No volume with this name is registered, and no array reports a volume with this identity.",
        "`ecdeck volume list` shows registered volumes and volumes that can be registered.";
    1102 NO_POLICY: "no policy is set",
        "A backup needs to know how many generations to keep.",
        "`ecdeck policy set TV --generations N --interval DAYS --mode suspend|dissolve`.";
    1103 POOL_TOO_SMALL_FOR_POLICY: "the pool cannot serve this policy",
        "To keep G generations, a transaction volume needs G + 1 backup volumes with as many blocks as it has.",
        "Register the missing backup volumes, or keep fewer generations.";
    1104 TOO_MANY_SESSIONS_FOR_POLICY: "the policy needs more sessions than the array grants a source volume",
        "In suspend mode each kept generation has a session, and the next backup needs one more. Sessions of other programs count too.",
        "Keep fewer generations, or use dissolve mode.";
    1105 ALREADY_REGISTERED: "the volume is registered already",
        "A volume has one role in a site.",
        "`ecdeck volume list` shows it.";
    1106 VOLUME_IN_USE: "the volume is still in use",
        "A volume with sessions or generations cannot be taken out of the site.",
        "Cancel its sessions and delete its generations first.";
    1107 POLICY_OUT_OF_RANGE: "the policy's numbers are out of range",
        "Generations: 1 to 99. Days: 1 to 366. The min-interval is not longer than the interval.",
        "Give numbers in these ranges.";
    1108 NAME_TAKEN: "another volume has this name",
        "A name belongs to one volume of a site, so that nothing is done to the wrong volume.",
        "Choose another name.";
    1109 NOT_A_TRANSACTION_VOLUME: "this is not a transaction volume",
        "The verb acts on volumes that hold live data.",
        "`ecdeck volume list` shows the roles.";
    1110 NOT_A_BACKUP_VOLUME: "this is not a backup volume of the site",
        "Only registered backup volumes are copied to.",
        "`ecdeck volume add --backup VOLUME`.";
    1111 NO_SUCH_GENERATION: "no such generation",
        "The transaction volume has no kept generation with this version.",
        "`ecdeck history TV` lists the kept ones.";
    1112 GENERATION_HELD: "the generation is held",
        "Somebody protected it from being released, and gave a reason.",
        "If the reason no longer applies: `ecdeck history unhold TV --version N`.";
    1113 FLOOR_OUT_OF_RANGE: "the floor does not fit the policy",
        "The floor is the number of sound generations that retention always leaves: at least 1, at most the generations kept.",
        "Give a smaller --floor, or keep more generations.";
    1114 NOT_REINSTATABLE: "the released generation cannot come back",
        "A released generation comes back only while its volume is bound or unused, and nothing was started onto it since.",
        "Use another version: `ecdeck history TV` shows those that are kept.";
    1115 NOT_IN_DOUBT: "the generation is not in doubt",
        "Only a generation that is marked as in doubt can be accepted.",
        "`ecdeck history TV` shows the state of each generation.";
    1116 STILL_IN_DOUBT: "the cause of the doubt still exists",
        "While its volume is missing, or another copy uses it, the generation cannot be accepted.",
        "Remove the cause that the refusal names, then accept the generation.";
    1117 NOT_FINGERPRINTED: "the generation is not fingerprinted",
        "A fingerprint is made in the background after the backup, where the array's bytes can be read, while nobody doubts the generation.",
        "Wait until `ecdeck history TV` shows it as fingerprinted; where it is in doubt and has none, check it on a host, then `ecdeck history accept TV --version N --reason TEXT`.";
    1118 BYTES_NOT_READABLE: "the bytes of the array's volumes cannot be read",
        "The driver of this array commands copies, and reads no volumes: ecdeck can neither fingerprint nor verify generations there.",
        "Check the generation on a host, then `ecdeck history accept TV --version N --reason TEXT`.";
    1119 DIFFERS_FROM_FINGERPRINT: "the generation is not what its fingerprint says",
        "Its volume was read again, and its bytes are others than after the backup: a host, another program or the disk changed them.",
        "Restore another generation, find out who wrote to the backup volume, and back up again.";
    1201 NO_BACKUP_VOLUME: "no backup volume can be used",
        "No unused backup volume has as many blocks, and none is bound to this transaction volume without a generation.",
        "Do one of these: release a version, cancel a bound volume, register a volume, or overwrite a version.";
    1202 BOUND_TO_ANOTHER: "the backup volume is suspended with another transaction volume",
        "A suspended backup volume can be used only by the transaction volume that it is suspended with.",
        "Name another volume, or cancel that session.";
    1203 HOLDS_A_GENERATION: "the backup volume holds a generation",
        "The volume of a valid generation is a copy's target only if its version is named.",
        "Name another volume, delete the generation, or overwrite it by its version.";
    1204 UNEQUAL_SIZE: "the sizes differ",
        "Source and target must have the same number of 512-byte blocks.",
        "Choose a backup volume with the same number of blocks.";
    1208 BACKUP_VOLUME_BUSY: "the backup volume is in a session already",
        "A backup volume is in at most one session.",
        "Name another volume, or end that session.";
    1210 MAP_SYNTAX: "this is not a device map",
        "A line of the file cannot be read, so no line of it is used.",
        "Correct the line: one pair a line, the transaction volume first, then the backup volume; # begins a comment.";
    1211 MAP_DUPLICATE: "the device map names a volume twice",
        "A transaction volume has one backup volume in a map, and a backup volume serves one transaction volume.",
        "Keep one of the two lines.";
    1212 MAP_HOLDS_A_VERSION: "the mapped backup volume holds a generation",
        "A device map never ends a generation.",
        "Use another round whose backup volume is unused or bound, or release the version first.";
    1213 MAP_NO_ROUND: "no round of the map set can be used now",
        "A transaction volume of a map set is started only with the backup volumes that its rounds give it.",
        "Read the reason of each round: release a version, free the backup volume, or add a round with `ecdeck map edit NAME`.";
    1214 MAP_UNKNOWN: "no such map set",
        "No map set of this name is stored, or it has no round of this name.",
        "`ecdeck map list` shows the stored ones.";
    1215 MAP_IN_ANOTHER_SET: "the transaction volume is in another map set",
        "A transaction volume is paired by one map set only.",
        "Remove it from the other set with `ecdeck map edit NAME`, or import it there.";
    1216 MAP_CHANGED: "the map set was changed meanwhile",
        "Somebody stored another version of the set after you began to edit it.",
        "Edit it again: you then start from the present version.";
    1217 MAP_DIFFERENCE: "the stored map set differs",
        "What you store replaces the map set of this name.",
        "Read the difference; `ecdeck map show NAME` prints the stored set.";
    1218 MAP_USES_VOLUME: "a map set uses the volume",
        "Its rows stay in the map set and stop only themselves while the volume is not registered.",
        "Change the map set with `ecdeck map edit NAME`, or register the volume again.";
    1219 MAP_RESERVED: "the backup volume is for another transaction volume",
        "A map set names it, so automatic choice leaves it to the volume that it is for.",
        "Name another backup volume, or take it out of the map set with `ecdeck map edit NAME`.";
    1220 REUSES_OLDEST: "the oldest generation ends before the new backup exists",
        "The policy says so, for sites that have only as many backup volumes as generations.",
        "Register one more backup volume of this size, and set the policy without --reuse-oldest.";
    1221 MAP_SHARED: "two transaction volumes share a backup volume",
        "In suspend mode a backup volume stays bound to one transaction volume, so the other one's round cannot be used.",
        "Give each transaction volume backup volumes of its own.";
    1222 ROTATION_TOO_SOON: "the newest generation is too young to release the oldest one",
        "No backup volume is free, and the policy's min-interval has not passed since the newest sound generation. A loop of \
         starts and backups would otherwise end the history.",
        "Wait until it has passed, or name the version that is given up: `ecdeck sync start TV --overwrite-version N --confirm BV`.";
    1230 SITE_FILE_WRONG: "the site file cannot be used",
        "A key, a value or a volume in it is wrong. The message names file, line and column. Nothing of the file was applied.",
        "Correct the lines that are named. `ecdeck site diff FILE` shows what the file would change.";
    1240 SET_UNKNOWN: "no such set",
        "No set of this name is stored, or the volume is not in it.",
        "`ecdeck set list` shows the sets and their volumes.";
    1241 IN_ANOTHER_SET: "the transaction volume is in another set",
        "A transaction volume belongs to one set at most: a backup of it is at one instant with the others of that set.",
        "Take it out of the other set first: `ecdeck set remove NAME TV`.";
    1242 IN_A_SET: "the transaction volume is in a set",
        "A set whose volume is no longer registered could not be backed up any more.",
        "Take it out of its set first: `ecdeck set remove NAME TV`.";
    1243 SET_TOO_LARGE: "the set would have too many volumes",
        "The number of volumes of one set is limited.",
        "Make several sets.";
    1244 SET_NOT_AT_ONE_INSTANT: "the set cannot be backed up at one instant",
        "Its volumes are in several arrays, or their array does not suspend several sessions at one instant.",
        "Put volumes of one array into a set, of an array that can do it. Or back up each volume by itself: `ecdeck backup TV...`.";
    1245 SET_CHANGED: "the set was changed meanwhile",
        "The set has other volumes now than when the request was made.",
        "Repeat the command: it then takes the volumes that the set has now.";
    1246 MEMBER_ALONE: "a volume of a set is backed up alone",
        "The generation is not at one instant with generations of the other volumes of the set.",
        "For one instant: `ecdeck backup --set NAME`.";
    1250 GROUP_NOT_FOUND: "the host has no such volume group",
        "The group must be there now, once, on the host that was named. It is never searched on other hosts.",
        "`ecdeck host show HOST` lists the groups. Write HOST:VG.";
    1251 GROUP_UNKNOWN: "the volume group could not be read",
        "What is not known of a group refuses: its disk could be another one, or one of several.",
        "The reason names what could not be read. Remove the cause, check with `ecdeck host show HOST`, and repeat.";
    1252 GROUP_SEVERAL_DISKS: "the volume group has several physical disks",
        "A copy works on one whole physical disk. A group on two disks would be copied by halves.",
        "Move the group onto one disk (LVM: pvmove, vgreduce). Or register each disk as a volume of its own, put them into a set, and keep the group consistent yourself.";
    1253 GROUP_NOT_WHOLE: "the volume group is exported or misses a disk",
        "Its backup would have parts of the data only.",
        "`ecdeck host show HOST` shows its state. Repair it on the host (LVM: vgextend --restoremissing, vgreduce, vgimport).";
    1254 GROUP_DISK_UNFIT: "the disk of the volume group is not this volume",
        "The group must be the whole of one disk. Its size, and the volume number in its WWID, must be those of the array volume.",
        "`ecdeck host show HOST` shows disks and WWIDs. Name the array volume that belongs to this disk.";
    1255 GROUP_CHANGED: "the volume group is another one than was registered",
        "The group or its disk has another identity now. A copy of the old disk would not be a backup of this group.",
        "If this is intended, take the volume out with `ecdeck volume remove TV` and register the group again.";
    1256 GROUP_NEEDS_MAP: "a volume group is started by a device map only",
        "The copy overwrites the whole disk of another volume group. Which one that is, a person must have written down.",
        "Write a map and start with it: `ecdeck sync start TV --map FILE`. Or store rounds once: `ecdeck map import NAME FILE...`.";
    1257 GROUP_CONTENTS: "all logical volumes of the group are in the backup",
        "The copy works on the whole disk. A logical volume cannot be left out.",
        "Nothing to do. The scripts before the backup must cover every mounted logical volume.";
    1258 GROUP_CONFIRM_DISK: "you confirm which disk the volume is",
        "Arrays do not report the WWIDs of their volumes to ecdeck. The registration keeps the WWID, and every later start and backup compares it.",
        "Compare the WWID with the one that the array shows for this volume before you agree.";
    1259 GROUP_NOT_CHECKED: "the volume group is not checked before this backup",
        "The backup is crash-consistent and the group could not be read. It is not known whether the disk is still the one that was registered, and which logical volumes are on it.",
        "Remove the cause to have the group checked (`ecdeck host show HOST`). Check the generation before you rely on it.";
    1260 BACKUP_GROUP_MISSING: "the backup volume of a volume group is no volume group",
        "The copy overwrites the LVM metadata of the backup volume. Its own identity is restored afterwards, so it must be a volume group of its own.",
        "Make a volume group on the disk of the backup volume, take the volume out with `ecdeck volume remove BV`, and register it with `ecdeck volume add --backup BV --group HOST:VG`.";
    1261 BACKUP_GROUP_UNFIT: "the volume group of the backup volume does not fit",
        "It must be another group than the transaction volume's, on the same host. A plain volume is not copied onto a volume group.",
        "Pair the transaction volume with another backup volume. `ecdeck volume list --json` shows the groups.";
    1262 GROUP_IDENTITY_RESTORED: "the identity of the backup volume's group is restored after the copy",
        "The copy gives the backup volume the LVM identity of the transaction volume. Until it is restored, the owner cannot change the transaction volume's group.",
        "Nothing to do. If it fails, the generation needs attention: `ecdeck history post TV --version N` repeats it.";
    1263 GROUP_DEACTIVATED: "the backup volume's group was deactivated while it is synchronized",
        "The array writes the disk beneath the host. A group that is deactivated meanwhile cannot be activated again. Nothing stops the synchronization from the host then: no backup, no suspend, no cancel.",
        "End the session on the array: `ecdeck sync force-stop TV --volume BV`. Then activate the group on its host (LVM: vgchange -ay VG). Then start anew: `ecdeck sync start TV --map FILE`.";
    1264 GROUP_ACTIVATION_UNKNOWN: "whether the backup volume's group is active is not known",
        "A group that was deactivated while it is synchronized must not be processed on its host. What is not known never counts as active or inactive: it refuses.",
        "The reason names what could not be read. `ecdeck host show HOST` reads it again. `ecdeck backup TV --crash-consistent` needs no host.";
    1265 GROUP_IDENTITY_OF_RESTORE: "the identity of the restored group is restored after the copy",
        "The generation has the LVM identity of the backup volume's group. After the copy, the engine gives the volume its own one back. Until then it is restore-incomplete.",
        "Unmount the logical volumes and deactivate the group on its host before (LVM: vgchange -an VG). Activate it when the restore has ended.";
    1266 GROUP_TWICE: "the restored volume has the LVM identity of another group",
        "It is a copy of the backup volume, and LVM uses no group that it sees twice.",
        "Show the volume to a host that does not see the backup volume. Or give it an identity of its own there: (LVM: vgimportclone -n NAME DEVICE).";
    1267 RESTORED_GROUP_UNFINISHED: "the restored volume has not the identity of its group",
        "All of the generation was copied, but the LVM identity of the group could not be restored. LVM may see the backup volume's group twice. The volume stays restore-incomplete.",
        "The reason names the host and the command. Remove the cause and restore again: `ecdeck restore TV --version N --to TV`.";
    1268 OTHER_POOL: "the backup volume is in another pool",
        "A [[pool]] of the configuration keeps its backup volumes for its own transaction volumes.",
        "Choose a backup volume of the same pool, or change the [[pool]] tables: `ecdeck volume list` shows who is where.";
    1269 HOLD_LEAVES_TOO_FEW: "the hold leaves too few backup volumes",
        "A held generation keeps its backup volume beside those that the policies need.",
        "Register another backup volume of this size, or end the hold in time: `ecdeck history unhold TV --version N`.";
    1270 GROUP_NODE_UNKNOWN: "the node of the service is not known",
        "The service runs on one of several nodes. Its scripts, and whatever reads its volume group, must run where the group is active. If it is active on no node or on two, or if a node does not answer, nothing runs.",
        "`ecdeck host show SERVICE` shows which groups are active on its nodes. Activate the group on one node. A node that stays away is taken out of the list of nodes in config.toml. `ecdeck backup TV --crash-consistent` runs no scripts.";
    1271 IN_MAINTENANCE: "the array is in maintenance",
        "Somebody began a maintenance of the array. Until its end no start, resume, backup or restore begins there; what runs already goes on.",
        "`ecdeck status` shows who began it and until when. `ecdeck array maintenance ARRAY end` ends it.";
    1272 NOT_COVERED: "no script before the backup names a mounted logical volume",
        "All logical volumes are in the backup. One that stays mounted and is not frozen is backed up as a power cut would leave it, whatever the scripts do for the others. ecdeck sees only the arguments of the scripts: a mount point, a device, or the name of the group.",
        "Give the mount point to the script in [[hook]] of config.toml, or the name of the group. If a script finds the mounts by itself, nothing is to be done.";
    1280 NOTHING_TO_RECONCILE: "catalogue and array agree",
        "There is nothing to reconcile on this volume. An array that was not read may still have more to tell.",
        "`ecdeck reconcile` lists all rows, and the arrays that were not read.";
    1281 RECONCILED_BY_HAND: "ecdeck proposes nothing for this",
        "What the array shows may be right or wrong. Only a person can say.",
        "The sentence names the way. Then `ecdeck reconcile` again.";
    1282 ADOPTED_UNPROVED: "the session or backup of another program becomes ours",
        "ecdeck did not see how it was made. So its generation is held and in doubt: it is never released by itself, and it does not count as recoverable.",
        "When somebody has looked at it: `ecdeck history accept TV --version N`, and `ecdeck history unhold TV --version N`. `ecdeck reconcile release TV` gives the volume back.";
    1283 VOLUME_OBSERVED: "another program makes the backups of this volume",
        "ecdeck shows its sessions and starts nothing on it, so that two programs never work on one volume.",
        "`ecdeck reconcile TV --accept` takes the volume over. Before that, switch the other program off for it.";
    1284 NOT_ADOPTED: "the volume was not taken over",
        "Only a volume that was taken over from another program can be given back.",
        "`ecdeck reconcile` shows which volumes were taken over.";
    1301 NOT_EQUIVALENT: "not yet equivalent",
        "A backup is a copy at one instant. There is none until both volumes are identical.",
        "`ecdeck backup TV --wait` waits for equivalence and then backs up; `ecdeck status` shows how far the copy is.";
    1302 NO_SESSION: "there is no session",
        "The verb needs a synchronization of this volume, and there is none. A backup is never made in another way instead.",
        "`ecdeck sync start TV` begins one. If you wanted to end a session, there is nothing to do.";
    1303 MODE_DEVIATES: "the mode differs from the policy's",
        "Dissolve ends the session, so the next start copies everything. Suspend keeps the backup volume bound.",
        "Confirm the deviation with --suspend or --dissolve, or change the policy.";
    1304 ONLY_SUSPENDED: "there are only suspended sessions",
        "A cancel without a volume ends only the live session. Suspended sessions stay, so that their next copy is differential.",
        "Name one with --volume BV, or give --all.";
    1306 RESUME_FIRST: "the pair is suspended: resume first",
        "The backup volume has the data of the last suspend, not of now.",
        "`ecdeck sync resume TV`, wait for equivalence, then back up.";
    1307 ALREADY_SYNCHRONIZING: "a session is live already",
        "A transaction volume has at most one live session.",
        "Wait for it: `ecdeck backup TV --wait` backs up as soon as it is equivalent. Or end it: `ecdeck sync cancel TV`.";
    1308 NOTHING_TO_RESUME: "there is no suspended session to resume",
        "Resume is a start that copies the difference only.",
        "`ecdeck sync start TV` makes a full copy.";
    1309 NOT_SUSPENDABLE: "this cannot be suspended now",
        "Without force, only an equivalent session can be suspended.",
        "Wait for equivalence, or end it with `ecdeck sync force-stop TV`; then this copy is lost.";
    1310 ALREADY_SO: "nothing to do: it is already so",
        "The state that was asked for exists already.",
        "You need to do nothing. With --ensure this is a success.";
    1311 SESSION_OF_OTHERS: "another program made this session",
        "Sessions of other programs are shown and counted, and never changed.",
        "Use the program that made it. `ecdeck status --json` shows its name with the session. `ecdeck reconcile TV --accept` takes the volume over from it.";
    1313 NO_BACKUP_IN_THIS_MODE: "no backup in this transfer mode",
        "In stack and through mode, the target of a REC is not a copy at one instant.",
        "Change the mode to synchronous or consistency first.";
    1315 BACKUP_VOLUME_UNVERIFIED: "the backup volume is unverified",
        "Its session disappeared and ecdeck did not end it. Its content and its users are not known.",
        "Find out what ended its session. Then `ecdeck sync cancel TV --volume BV` makes the volume unused.";
    1316 NEEDS_FORCE: "this is only possible with force",
        "In this state the array does it only with force, and then the copy is lost.",
        "`ecdeck sync force-stop TV` does it. Its plan says what is lost.";
    1401 ERROR_SUSPENDED: "the array stopped the copy with an error",
        "The array could not copy some data. Its code says why.",
        "Cancel the session, repair the cause, start again.";
    1402 HALTED: "the path between the boxes is lost",
        "The remote copy waits for its path. With automatic recovery it continues by itself.",
        "Restore the path; with manual recovery, forced suspend and resume.";
    1403 HALF_OPEN: "the two halves of the remote session disagree",
        "The two arrays report different states, or one of them has no session.",
        "Restore the path and look again. `ecdeck sync force-stop TV` ends what remains.";
    1404 VANISHED: "a session disappeared and ecdeck did not end it",
        "The array no longer reports a session that the catalogue knows.",
        "Find out what ended it. Then `ecdeck sync cancel TV --volume BV` removes it here. A generation on the volume stays.";
    1405 UNKNOWN_WORDS: "the array uses words that are not known here",
        "ecdeck never guesses a word's meaning. Until the word is configured, only a forced stop works.",
        "Look the word up in the array's manual and give its meaning in the configuration of the array; `ecdeck array doctor ARRAY` shows the lines for it.";
    1406 REVERSED: "the copy runs backwards",
        "The session was reversed, for example during a restore by hand: it copies from the backup volume into the transaction volume. \
         Another step could overwrite live data, or record a backup that is none.",
        "Turn it back with the array's own tools, or end it with `ecdeck sync cancel TV --volume BV`.";
    1407 INBOUND: "another copy writes into the transaction volume",
        "Until that copy is complete, the volume is a mixture of old and new data, and a backup of it is worth nothing.",
        "Wait until that copy is complete and its session is ended or suspended, or end it with the program that made it.";
    1408 DIRECTION_UNKNOWN: "the direction of the copy is not known",
        "The array gave no direction, or two arrays gave different ones. ecdeck never assumes one.",
        "Look at the session on the array, and configure what its mark means. `ecdeck sync cancel TV --volume BV` ends the session.";
    1409 MODES_UNKNOWN: "the transfer mode of the remote copy is not known",
        "In stack and through mode the target is not a copy at one instant. With an unknown mode there is therefore no backup.",
        "`ecdeck array doctor ARRAY` shows why. Repeat when the mode can be read.";
    1410 KIND_UNKNOWN: "the kind of the copy is not known",
        "The array's word for the kind of this session is not configured, and ecdeck never guesses.",
        "Configure the word's meaning; `ecdeck array doctor ARRAY` lists such words.";
    1411 NO_SUSPEND_IN_THIS_MODE: "no suspend in this transfer mode",
        "The array refuses a suspend in through mode, and in stack mode before equivalence, even by force.",
        "Change the mode first, or end the session with `ecdeck sync force-stop TV`.";
    1412 OTHER_PROGRAM_RUNS: "another program still works on a volume that was taken over",
        "The volume has a session that ecdeck did not make. Two programs that back up one volume overwrite the backups of each other.",
        "Switch the other program off for this volume. Then `ecdeck reconcile TV` shows what to do with its session; `ecdeck reconcile release TV` gives the volume back.";
    1501 ARRAY_REFUSED: "the array refused",
        "The array answered with its own code and text.",
        "Remove the cause that the array names, then repeat. `ecdeck audit show` has its whole answer.";
    1502 OUTCOME_UNKNOWN: "it is not known whether it was done",
        "The connection was lost after the command was sent, and the array does not show the expected result.",
        "`ecdeck status` shows the present state, `ecdeck audit show` what was sent. Then repeat what is missing.";
    1503 STEP_FAILED: "a step failed; the steps before it were done",
        "The operation stopped part way. The events say where.",
        "`ecdeck audit show` says which step failed, `ecdeck status` shows the present state. Then repeat what is missing.";
    1504 INTERRUPTED: "it ended before anything was sent",
        "The engine ended after you agreed and before the first command.",
        "Repeat it.";
    1505 PAST_LIMIT: "the time limit has passed",
        "The request had a time limit (--until). No volume was suspended after it.",
        "Repeat with a later time, or without one.";
    1506 HOOK_FAILED: "a script before the backup or the restore failed",
        "A required hook must succeed before anything is suspended or copied back. The scripts after it have run for what was begun.",
        "Read the script's words in the events; `ecdeck hook test HOOK --volume TV` tries it out. Without the host: `ecdeck backup TV --crash-consistent`.";
    1507 PAUSE_OVER: "the pause was over",
        "The guard ended the pause at its deadline, before the suspend was seen.",
        "Find out what took so long in the events; a longer pause in the configuration of the hook gives more time.";
    1508 NEEDS_ATTENTION: "a script after the backup failed",
        "The generation exists. What the script should have done was not done, so nothing is released until that is cleared.",
        "`ecdeck history post TV --version N` runs the scripts again; `ecdeck history accept TV --version N` says that somebody has seen to it.";
    1509 NO_HOOKS: "no script after a backup is configured",
        "There is nothing to run again.",
        "`ecdeck hook list` shows the hooks; `ecdeck history accept TV --version N` clears the generation by hand.";
    1510 AFTER_RESTORE_FAILED: "a script after the restore failed",
        "All of the generation was copied back. What the script should have done on the host was not done.",
        "Read the script's words in the events, and do by hand what it should have done: mount the volume, start the database.";
    1601 RESTORE_INCOMPLETE: "a restore to this volume did not come to its end",
        "Part of the volume is the generation, part is what was there before. No other verb uses it.",
        "Restore to it again, or give it up with `ecdeck restore --cancel VOLUME`.";
    1602 RESTORE_OTHER_BOX: "the generation and the target are in different arrays",
        "A one-point copy (OPC) works inside one array, and ecdeck does not restore through a remote copy (REC).",
        "Restore it to a volume of its own array, register that as a transaction volume, synchronize it to the other array (a new REC), back it up and restore that backup. The refusal has the commands.";
    1603 RESTORE_TARGET_IN_USE: "this volume cannot be overwritten by a restore",
        "It holds a generation, is in a copy session, or is read itself. A restore would destroy what somebody relies on.",
        "Name another volume with --to, or end what uses this one.";
    1604 NOT_SAID_UNMOUNTED: "nobody said that the target is unmounted",
        "A file system that is mounted while its volume is overwritten writes old data back.",
        "Unmount the target on every host, then give --unmounted.";
    1605 NO_RESTORE_TARGET: "no volume is free to restore to",
        "A restore needs a volume with as many blocks in the array of the generation, which nothing uses.",
        "Make a volume of this size on the array, or name one with --to.";
    1606 NO_RESTORE: "no restore to this volume runs or was left unfinished",
        "There is nothing to cancel.",
        "`ecdeck status` shows the restores.";
    1607 RESTORE_CANCELLED: "the restore was cancelled",
        "Somebody ended it. The target is restore-incomplete.",
        "Restore to it again, or give it up with `ecdeck restore --cancel VOLUME`.";
    1608 RESTORE_CUT_SHORT: "the copy of the restore ended too early",
        "The array stopped the one-point copy with an error, or another program ended it. The target is restore-incomplete.",
        "Repair what the array reports, then restore again. The generation is unchanged.";
    1609 MOUNT_NOT_CHECKED: "whether a host has the target mounted was not checked",
        "No configured host that could be read sees the volume. Who says --unmounted answers for it.",
        "Look on every host that sees the volume before you agree. A [[host]] in config.toml lets ecdeck look.";
    1610 LEAVES_THE_POOL: "the target leaves the pool",
        "In the pool, the next start could take the volume and copy over what was restored.",
        "When it is no longer needed, give it back with `ecdeck volume add --backup VOLUME`.";
    1611 READ_BY_A_RESTORE: "a restore reads the generation",
        "While it is read, nothing may change or release it.",
        "Wait for the end of the restore. The next backup releases what is beyond the policy.";
    1612 NO_VOLUME_FOR_PRESENT_STATE: "no volume is free to keep the present state on",
        "A restore onto a transaction volume first copies what is on it now to an unused backup volume of its array. None is unused, or tonight's backups need those that are.",
        "Register one more backup volume, release a generation, or give --without-present-state: what is on the volume now is then lost. For a volume group it is a plain volume, in the pool of the group: a [[pool]] in config.toml may name volumes beside hosts.";
    1613 PRESENT_STATE_NOT_KEPT: "the present state could not be kept",
        "The one-point copy of what is on the target did not come to its end. Nothing was overwritten, and its backup volume is unused again.",
        "Repair what the array reports and restore again, or give --without-present-state: what is on the volume now is then lost.";
    1614 PRESENT_STATE_LOST: "the present state of the target is not kept",
        "What is on the volume now cannot be brought back after the restore.",
        "Leave out --without-present-state where a backup volume is unused.";
    1615 PRESENT_STATE_KEPT: "the present state of the target is kept first",
        "It is copied to an unused backup volume (OPC) as a power cut would leave it, and held. The policy does not count it, and no backup releases it.",
        "When it is no longer needed: `ecdeck history unhold TV --version N`, then `ecdeck history delete TV --version N`.";
    1616 SNAPSHOT_TAKES_TONIGHTS: "the snapshot takes a volume of the next night",
        "The only unused backup volumes are those that starts of the next night would take.",
        "Register one more backup volume, or take no snapshot before the night.";
    1617 NO_BACKUP_MEANWHILE: "there is a time without any backup",
        "The policy lets the only sound generation end before the new one exists, because no other backup volume is unused.",
        "Register one more backup volume. If the source is lost before all is copied, there is nothing to restore.";
    1640 TARGET_MOUNTED: "a host has the target mounted",
        "A file system that is mounted while its volume is overwritten writes old data back and reads what is not its own.",
        "End the processes that are named, unmount it there, and restore again. A before_restore script of a [[hook]] can do that, or restore to another volume.";
    1641 MOUNT_UNKNOWN: "whether a host has the target mounted is not known",
        "The host sees the volume, or one with its number and size, and not all of its answer could be read. Unknown is never taken for unmounted.",
        "`ecdeck host show HOST` says what could not be read. Repair that, or restore to another volume.";
    1642 TARGET_UNMOUNTED: "the hosts that see the target have it mounted nowhere",
        "Their own tools said so a moment ago, and they are asked again before the restore begins.",
        "Hosts that are not configured are not asked: look there yourself.";
    1643 PRACTICE_NOT_DONE: "the practice did not come to its end",
        "The generation is as it was, and the spare volume is unused again. Nothing was learned of the generation.",
        "Remove the cause that the reason names and practise again: `ecdeck practice TV`.";
    1644 PRACTICE_GAVE_WAY: "the practice gave way",
        "Another operation needed one of its volumes, or somebody cancelled it. A practice never stands in the way of a backup.",
        "Nothing to do. Practise again when nothing else runs: `ecdeck practice TV`, or `ecdeck practice --due` from a timer.";
    1645 PRACTICE_OF_GROUP: "a volume group cannot be practised",
        "The copy would have the LVM identity of a group that a host sees already. LVM uses no group that it sees twice.",
        "Compare the bytes where they are: `ecdeck history verify TV`. Or restore it to a volume that no host of the group sees.";
    1646 NO_PRACTICE_SPARE: "no volume is free for the practice",
        "The copy needs an unused backup volume of the same array with as many blocks, which no start of the next night takes.",
        "Register one more with `ecdeck volume add --backup VOLUME`, or practise when fewer generations are kept.";
    1647 PRACTICE_GIVES_WAY: "the practice gives way to every other operation",
        "Whatever needs one of its volumes ends it. The generation and the pool are then as before.",
        "Nothing to do.";
    1648 PRACTICE_ENDS: "a practice is ended first",
        "A practice has a volume that is needed. It is ended, and its spare volume is unused again.",
        "Nothing to do. `ecdeck practice TV` repeats it later.";
    1701 ARRAY_BUSY: "the array stays busy",
        "It answered busy for longer than the limit.",
        "Try again later.";
    1702 ARRAY_STALE: "the array's reading is too old",
        "ecdeck decides nothing on a reading that is older than three rounds. A round is the poll interval and the time that the array took to answer; two seconds are never too old.",
        "Look with `ecdeck array list` whether the array answers, then repeat.";
    1703 ARRAY_UNREACHABLE: "the array does not answer",
        "Nothing can be read from it or sent to it.",
        "`ecdeck array list` says why. Copies on the array continue by themselves.";
    1704 IDENTITY_CHANGED: "another array answers under this name",
        "Its box id differs from the one that the site knows. No verb works on it, so that nothing is done to the wrong array.",
        "Check the address in the configuration. If the array was replaced on purpose, remove it and add it again.";
    1705 UNSUPPORTED: "this array cannot do that",
        "The driver of this array does not offer it.",
        "Use another array, or do it with the array's own tools.";
    1706 VOLUME_MISSING: "the array no longer has this volume",
        "It is registered here, but the array does not report it, or with another size.",
        "Look at the array. `ecdeck volume remove VOLUME` removes it from the site.";
    1707 SESSION_LIMIT: "the source has as many sessions as the array grants",
        "Sessions of all kinds and of all programs count.",
        "Cancel a session that is not needed.";
    1708 SESSIONS_UNREAD: "the sessions of others could not be read",
        "It is not known now what other programs copy on this array. A volume that they use could be overwritten.",
        "`ecdeck array doctor ARRAY` says why. Repeat when they can be read.";
    1709 OTHERS_NOT_SEEN: "the sessions of others are not seen",
        "This control plane cannot show what other programs copy on the array. The array itself still refuses a copy onto a volume in use.",
        "Make sure that no other program uses the volumes of the pool.";
    1710 HOST_WRITES_NOT_SEEN: "writes on suspended backup volumes are not seen",
        "This driver cannot tell whether a host wrote on the volume of a kept generation.",
        "Make sure that no host can write on backup volumes, and verify a generation before you use it.";
    1711 ROW_UNREADABLE: "a line of the array's answer could not be read",
        "It can be any session. The volumes that it names count as in use.",
        "`ecdeck array doctor ARRAY` shows the line and what to add to the configuration.";
    1712 COPY_INHIBITED: "the array inhibits copies to this volume",
        "The volume's copy protection is set: no copy may overwrite it.",
        "Name another volume, or remove the protection with the array's own tools (acinhibit).";
    1713 WRITES_PAUSED: "writes stand still during the backup",
        "Scripts before the backup pause file systems; a guard ends the pause at its deadline, whatever happens.",
        "Nothing. A shorter pause in the hook's configuration makes the longest pause shorter.";
    1714 CRASH_CONSISTENT: "the backup is crash-consistent only",
        "Without the hooks of the volume the generation is what a power cut would have left.",
        "Nothing, if the application recovers from a power cut; else back up with the hooks.";
    1801 OVERDUE: "the backup is overdue",
        "More time than the policy's interval has passed since the last backup. Nothing starts by itself.",
        "Synchronize and back up.";
    1802 HELD_BY_OTHER: "another operation has this volume",
        "Only one operation works on a volume at a time.",
        "Wait for it: `ecdeck status` shows its progress.";
    1803 NEW_DATA_LOST: "what was written on the backup volume since the suspend is lost",
        "A resume overwrites every region that changed on either volume with the source's data.",
        "Save it first if you need it.";
    1804 NO_GENERATION_BY_SUSPEND: "a suspend records no generation",
        "Only a backup records a generation.",
        "Use backup if you want a generation.";
    1805 OVER_LIMIT_HELD: "more generations are kept than the policy says",
        "The oldest generation is held or needs attention, so it is not released.",
        "End the hold when it is no longer needed.";
    1806 NEXT_COPY_FULL: "the next copy is a full one",
        "When a suspended session ends, its record of differences is lost.",
        "Leave it suspended if the next copy must be short.";
    1807 BOUND_NOT_USABLE: "a bound backup volume cannot be used now",
        "A start uses the suspended backup volume of this transaction volume first, because it needs only the difference.",
        "Repeat when that volume is free and its array answers, or agree to the full copy.";
    1809 NEXT_BACKUP_RELEASES: "the next backup releases generations",
        "The policy keeps fewer generations than there are. Nothing is released now; the next backup does it.",
        "Hold the versions that must stay (`ecdeck history hold TV --version N`), or keep more generations.";
    1810 OVER_POLICY: "there are more generations than the policy keeps",
        "A backup releases one generation at most, and none while the newest sound one is younger than the policy's \
         min-interval or while fewer sound ones than its floor would be left.",
        "`ecdeck backup TV --confirm TV` releases all of them. `ecdeck history hold TV --version N` keeps one for good.";
    1811 RELEASED_BY_START: "a start releases a generation that the policy does not keep",
        "No other backup volume is free. A newer sound generation exists, and the policy has let this one go already.",
        "Hold the version if it must stay: `ecdeck history hold TV --version N`.";
    1812 REINSTATED_IN_DOUBT: "the generation comes back in doubt",
        "Nothing proves that no host wrote on its volume since it was released.",
        "Check it, then `ecdeck history accept TV --version N --reason TEXT --confirm TV`.";
    1813 RELEASED_ENDS: "a released generation ends with this copy",
        "Its bytes are on this volume still, and `ecdeck history reinstate` could bring it back until the copy starts.",
        "Nothing, unless you want it back: `ecdeck history reinstate TV --version N`.";
    1901 CATALOGUE_UNAVAILABLE: "the catalogue cannot be written",
        "ecdeck does nothing that it cannot record.",
        "Do what the message says; it names the file or the server. The engine continues by itself as soon as it can write.";
    1902 NOT_ON_DEMONSTRATION: "no site is configured here",
        "Verbs that change something, and all verbs without a terminal, use the demonstration site only if you ask for it.",
        "Write a config.toml (config.example.toml explains every key), or let `ecdeck array add NAME --site SITE` write one for a real array. For the demonstration site give --demo or ECDECK_DEMO=1.";
    1903 ENGINE_MISMATCH: "the engine is of another version",
        "The protocol or format of this program and of the running engine differ.",
        "End the running engine as the message says. The next command starts a new one, and it continues where the old one was.";
    1904 CATALOGUE_REPLACED: "the catalogue does not match the audit heads",
        "The newest head in audit.heads belongs to an event that is not in the catalogue. The catalogue was lost, \
         replaced, or put back from an older copy. Volumes of kept generations could look unused.",
        "Put the catalogue back. To begin again, or to continue with an older copy, on purpose: move audit.heads away and start \
         the engine again. Then every kept generation is in doubt until you compare it with the arrays and accept it.";
    1905 ENGINE_FULL: "the engine takes no more clients",
        "The number of clients is limited, in total and for each user, so that nobody locks out the others.",
        "End consoles and commands that are not needed, or try again later.";
    1906 NOTIFY_FAILED: "the notification hook fails",
        "The command of [notify] is missing, failed, or did not end within its limit. Nothing else is delayed by it; what it was \
         to be given waits, and is tried again after a minute, then less often, up to once an hour.",
        "Run the command by hand with a document of docs/notify.md on its input, and correct what it says.";
    1907 NO_SUCH_TROUBLE: "there is no such trouble",
        "A trouble is acknowledged by its ID while it is there, with a reason. When it is over, its ID means nothing.",
        "`ecdeck report --since 1d` shows what is wrong now, with IDs.";
    1908 NO_MAINTENANCE: "the array is not in maintenance",
        "Only what was begun can be ended.",
        "`ecdeck array list` shows the names of the arrays, and `ecdeck status` which of them are in maintenance.";
    1909 MAINTENANCE_EXPIRED: "a maintenance is past its time and was not ended",
        "Starts and backups run on the array again. What was live before the maintenance may still be suspended.",
        "`ecdeck array maintenance ARRAY end` resumes what was live; `ecdeck array maintenance ARRAY begin --until TIME` gives it a later time.";
    1910 CATALOGUE_NOT_COPIED: "no copy of the catalogue is made",
        "The last copy could not be made. The catalogue itself is not concerned; it is tried again after half a minute, then less \
         often, up to four times an hour, and with every backup.",
        "Correct what the message names: room, or the folder of the copies. `ecdeck catalogue save` tries at once.";
    1911 CATALOGUE_IN_USE: "another engine uses the catalogue",
        "Only one engine may write to a catalogue. The message names the other one: host, process and start time.",
        "Use the other engine, or end it and repeat.";
    1912 CATALOGUE_DAMAGED: "the catalogue is damaged or was replaced",
        "A row or a page cannot be read, or the file was removed or replaced while the engine ran. Nothing is written to it.",
        "Put the original file back, or end the engine and put a saved copy in its place.";
    1913 ENGINE_NOT_STARTED: "the engine could not be started",
        "The message and the log say what was missing or wrong.",
        "Correct what the message names, then repeat.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_once_in_the_table_in_order_and_explains_itself() {
        assert!(TABLE.is_sorted_by(|a, b| a.code < b.code));
        for row in TABLE {
            assert_eq!(row.code.to_string().parse(), Ok(row.code));
            assert!(row.why.ends_with('.') && row.remedy.ends_with('.'), "{}", row.code);
        }
        assert!("ecd-0007".parse::<Code>().is_err());
    }
}
