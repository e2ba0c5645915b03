//! A set as a row of the main table: what its volumes are together.

use super::volumes::{WORD, due_words, recovery_style};
use crate::console::app::App;
use crate::console::format::{left, rate};
use crate::console::picture::{Picture, SET_INDENT, is_moving};
use crate::console::sessions;
use crate::console::view::canvas::{Canvas, Place};
use crate::model::entity::Policy;
use crate::model::plan::state_of_set;
use crate::model::recoverable::{Recoverable, recoverable};
use crate::model::set_instants::{self, KeptInstant};
use crate::model::snapshot::{Due, Ready, SessionView, TransactionState, TransactionVolumeView};
use crate::model::units::{Blocks, Progress};
use crate::model::volume_set::VolumeSet;
use ratatui::layout::Rect;

/// What of a set's volumes its row tells.
struct Together<'a> {
    members: Vec<&'a TransactionVolumeView>,
    /// The session of each volume that decides how it is, where it has one.
    sessions: Vec<&'a SessionView>,
    state: TransactionState,
    /// Those that are kept of every volume, and valid.
    instants: Vec<KeptInstant>,
}

impl<'a> Together<'a> {
    fn of(picture: &'a Picture, set: &'a VolumeSet) -> Self {
        let snapshot = &picture.snapshot;
        let members: Vec<_> = picture.members(set).collect();
        let governing = |view: &&TransactionVolumeView| sessions::governing(snapshot, view.volume.id);
        let sessions = members.iter().filter_map(governing).collect();
        let mut instants = set_instants::kept(snapshot, set);
        instants.retain(|instant| instant.is_whole && instant.is_valid);
        Self { members, sessions, state: state_of_set(snapshot, set), instants }
    }

    fn count(&self, is_so: impl Fn(&TransactionVolumeView) -> bool) -> usize {
        self.members.iter().filter(|view| is_so(view)).count()
    }

    fn moving(&self) -> impl Iterator<Item = &SessionView> {
        self.sessions.iter().copied().filter(|session| is_moving(session))
    }

    /// The copy that has come least far.
    fn least(&self) -> Option<(f64, &SessionView)> {
        let shares = self.moving().filter_map(|session| Some((sessions::share(session)?, session)));
        shares.min_by(|(a, _), (b, _)| a.total_cmp(b))
    }

    /// When the last of them is ready; of one that never will be, never.
    fn ready(&self) -> Ready {
        let mut ready = Ready::Now;
        for view in &self.members {
            ready = match (ready, view.ready) {
                (Ready::Never, _) | (_, Ready::Never) => Ready::Never,
                (Ready::NotYetKnown, _) | (_, Ready::NotYetKnown) => Ready::NotYetKnown,
                (Ready::Now, other) | (other, Ready::Now) => other,
                (Ready::Between { earliest: a, latest: b }, Ready::Between { earliest: c, latest: d }) => {
                    Ready::Between { earliest: a.max(c), latest: b.max(d) }
                }
            };
        }
        if self.members.is_empty() { Ready::Never } else { ready }
    }

    /// The volume whose backup is most overdue.
    fn most_due(&self) -> Option<&TransactionVolumeView> {
        let rank = |view: &&&TransactionVolumeView| match view.due {
            Due::NoPolicy => 0,
            Due::Ok => 1,
            Due::Overdue(days) => 2 + u64::from(days),
        };
        self.members.iter().max_by_key(rank).copied()
    }

    /// As bad as the worst of its volumes. Without an instant that is whole and valid there is none to come back to.
    fn recoverable(&self, picture: &Picture) -> Recoverable {
        let rank = |word: &Recoverable| match word {
            Recoverable::Yes => 0,
            Recoverable::NoPolicy => 1,
            Recoverable::Late => 2,
            Recoverable::InDoubt => 3,
            Recoverable::No => 4,
        };
        let words = self.members.iter().map(|view| recoverable(&picture.snapshot, view).word);
        let worst = words.max_by_key(rank).unwrap_or(Recoverable::No);
        match worst {
            Recoverable::Yes | Recoverable::Late if self.instants.is_empty() => Recoverable::No,
            worst => worst,
        }
    }

    fn policies(&self) -> impl Iterator<Item = Policy> {
        self.members.iter().filter_map(|view| view.volume.policy)
    }
}

pub fn draw_row(app: &App, picture: &Picture, canvas: &mut Canvas, row: Rect, places: &[Place; 13], set: &VolumeSet) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let [_, name, size, synchronization, speed, rest, _, ready, kept, last, due, recovers, policy] = *places;
    let (x, y) = (row.x, row.y);
    let together = Together::of(picture, set);
    let marked = set.members.iter().filter(|id| app.main.marks.contains(id)).count();
    if marked > 0 {
        canvas.put(x + 1, y, glyphs.mark, if marked == set.members.len() { theme.mark } else { theme.dim });
    }
    if let Some((at, width)) = name {
        canvas.put(
            x + at,
            y,
            if app.main.choice.is_open(&set.name) { glyphs.opened } else { glyphs.closed },
            theme.accent,
        );
        canvas.text(x + at + SET_INDENT, y, width.saturating_sub(SET_INDENT), set.name.as_str(), theme.title);
    }
    if let Some((at, width)) = size {
        let blocks = together.members.iter().map(|view| view.volume.blocks.0).sum();
        canvas.right(x + at, y, width, &Blocks(blocks).to_string(), theme.dim);
    }
    let is_moving = together.moving().next().is_some();
    if let Some((at, width)) = synchronization {
        let end = rest.or(speed).filter(|_| !is_moving).map_or(at + width, |(at, width)| at + width);
        synchronized(canvas, (x + at, y, end - at), &together);
    }
    if is_moving {
        if let Some((at, width)) = speed {
            canvas.right(
                x + at,
                y,
                width,
                &rate(together.moving().filter_map(|session| session.rate).sum()),
                theme.text,
            );
        }
        if let Some((at, width)) = rest {
            let blocks = together.moving().filter_map(|session| Some(session.progress?.left().0)).sum();
            canvas.right(x + at, y, width, &left(Blocks(blocks)), theme.text);
        }
    }
    if let Some((at, width)) = ready {
        let text = app.clock.ready(together.ready(), width);
        let style = match text.as_str() {
            "now" => theme.equivalent,
            "-" | "?" => theme.dim,
            _ => theme.text,
        };
        canvas.right(x + at, y, width, &text, style);
    }
    if let Some((at, width)) = kept {
        // The policy of the volume that keeps fewest limits how far back all of them go.
        let text = match together.policies().map(|policy| policy.generations).min() {
            Some(most) => format!("{}/{most}", together.instants.len()),
            None => together.instants.len().to_string(),
        };
        canvas.right(x + at, y, width, &text, theme.text);
    }
    if let Some((at, width)) = last {
        match together.instants.first() {
            Some(instant) => {
                let text = app.clock.moment(instant.taken_at);
                let short = text.rsplit(' ').next().filter(|_| text.len() > usize::from(width)).unwrap_or(&text);
                canvas.text(x + at, y, width, short, theme.text);
            }
            None => drop(canvas.text(x + at, y, width, "never", theme.dim)),
        }
    }
    let recovery = together.recoverable(picture);
    if let (Some((at, width)), Some(view)) = (due, together.most_due()) {
        let overdue = picture.snapshot.overdue_for(view);
        let (text, style) = due_words(canvas, view.due, overdue, theme.dim, theme.warning);
        let text = if view.due == Due::Ok && recovery != Recoverable::Yes { "in time".to_owned() } else { text };
        canvas.right(x + at, y, width, &text, style);
    }
    if let Some((at, width)) = recovers {
        canvas.text(x + at, y, width, &recovery.to_string(), recovery_style(canvas, recovery));
    }
    if let Some((at, width)) = policy {
        let mut policies = together.policies();
        let first = policies.next();
        let text = match first {
            Some(policy) if policies.all(|other| other == policy) => {
                format!("{} x {} d, {}", policy.generations, policy.interval_days, policy.mode)
            }
            Some(_) => "they differ".to_owned(),
            None => String::new(),
        };
        canvas.text(x + at, y, width, &text, theme.dim);
    }
}

/// Sign and word of the worst volume, then how far the least copy is, or how many of them are equivalent.
fn synchronized(canvas: &mut Canvas, (x, y, width): (u16, u16, u16), together: &Together) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let troubled = together.count(TransactionVolumeView::is_troubled);
    let state = together.state;
    let (sign, style) = if troubled > 0 {
        (glyphs.attention, theme.problem)
    } else {
        (glyphs.transaction(state), theme.transaction(state))
    };
    let claim = together.members.iter().find_map(|view| view.claimed.as_ref());
    let word = match claim {
        Some(claim) => claim.verb.info().doing.to_owned(),
        None if troubled > 0 => format!("{troubled} trouble"),
        None => state.to_string(),
    };
    canvas.put(x, y, sign, style);
    canvas.text(x + 2, y, WORD - 2, &word, if claim.is_some() { theme.accent } else { style });
    let (at, rest) = (x + WORD + 1, width.saturating_sub(WORD + 1));
    if let Some((share, session)) = together.least().filter(|_| troubled == 0) {
        let percent = session.progress.and_then(Progress::percent);
        canvas.right(x + width - 5, y, 5, &percent.map_or_else(String::new, |percent| percent.to_string()), style);
        if rest >= 5 + 1 + 3 {
            canvas.bar(at, y, rest - 6, share, theme.bar);
        }
        return;
    }
    let (equivalent, all) = (together.count(|view| view.state == TransactionState::Equivalent), together.members.len());
    let text = if equivalent > 0 && equivalent < all {
        format!("{equivalent} of {all} ready")
    } else {
        format!("{all} volumes")
    };
    if text.len() <= usize::from(rest) {
        canvas.text(at, y, rest, &text, theme.dim);
    }
}
