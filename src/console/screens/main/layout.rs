//! Where everything is: a wide composition, a narrow one with a single detail pane, and a floor.

use crate::console::types::Pane;
use ratatui::layout::Rect;

/// The smallest screen that the console works on.
pub const FLOOR: (u16, u16) = (40, 8);
/// The smallest screen that shows all panes at once.
const WIDE: (u16, u16) = (110, 30);
/// From this width on the nights to come of the selected volume are below its generations, where there is room.
const WITH_NIGHTS: u16 = 160;
/// Rows of the fewest nights that are worth a pane: two weeks of some policies are three of them.
const FEWEST_NIGHTS: u16 = 4;
/// Nights that the main screen shows at most.
pub const NIGHTS: usize = 14;
/// Frame and heading of the nights to come.
const AROUND_NIGHTS: u16 = 3;
/// From this height on there is a line on what happened while the person was away.
const WITH_AWAY: u16 = 16;
/// Rows that the table keeps on a narrow screen before a detail pane gets any.
const TABLE_ROWS: u16 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Wide,
    Narrow,
    TooSmall,
}

/// The areas of the main screen. Those of panes include their frames or headings; hidden ones are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub shape: Shape,
    pub header: Rect,
    pub footer: Rect,
    /// The line on what happened while the person was away.
    pub away: Rect,
    /// The line of pane names on a narrow screen.
    pub tabs: Rect,
    pub volumes: Rect,
    pub pool: Rect,
    pub copies: Rect,
    pub generations: Rect,
    pub events: Rect,
    /// The nights to come of the selected volume: no pane, as nothing is chosen there. The `w` screen has them all.
    pub nights: Rect,
}

/// Whether nothing can be shown but that the screen is too small.
pub fn is_too_small((width, height): (u16, u16)) -> bool {
    width < FLOOR.0 || height < FLOOR.1
}

/// Rows that the panes would fill. They do not depend on which row is selected, so that nothing jumps with the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Content {
    pub volumes: usize,
    pub copies: usize,
    pub sizes: usize,
    pub pool: usize,
    pub generations: usize,
    /// Nights to come that can be shown; none on a site where it would take too long to project them.
    pub nights: usize,
    /// There is something to say of the time that the person was away.
    pub away: bool,
}

impl Layout {
    pub fn of((width, height): (u16, u16), detail: Pane, focus: Pane, content: Content) -> Self {
        let nothing = Rect::ZERO;
        let mut layout = Self {
            shape: Shape::TooSmall,
            header: nothing,
            footer: nothing,
            away: nothing,
            tabs: nothing,
            volumes: nothing,
            pool: nothing,
            copies: nothing,
            generations: nothing,
            events: nothing,
            nights: nothing,
        };
        if is_too_small((width, height)) {
            return layout;
        }
        let footer = if height >= 12 { 2 } else { 1 };
        layout.header = Rect::new(0, 0, width, 1);
        layout.footer = Rect::new(0, height - footer, width, footer);
        let away = u16::from(content.away && height >= WITH_AWAY);
        layout.away = Rect::new(0, 1, width, away);
        let body = Rect::new(0, 1 + away, width, height - 1 - away - footer);
        if width >= WIDE.0 && height >= WIDE.1 {
            layout.wide(body, content);
        } else {
            layout.narrow(body, detail, focus);
        }
        layout
    }

    /// Each pane gets the rows of its content; what is left goes to the pool's list, then to the copies, then to the events.
    fn wide(&mut self, body: Rect, content: Content) {
        self.shape = Shape::Wide;
        let rows = |rows: usize| u16::try_from(rows).unwrap_or(u16::MAX);
        // Frames and headings, and below them at least what an empty pane says.
        let volumes = rows(content.volumes).saturating_add(3);
        let pool = rows(content.pool.saturating_add(2 * content.sizes)).saturating_add(6);
        let all_copies = rows(content.copies).saturating_add(2).max(5);
        let mut copies = all_copies.min((body.height / 4).max(7));
        let bottom = rows(content.generations).saturating_add(2).clamp(8, (body.height * 27 / 100).max(8));
        let most = body.height - copies - bottom;
        let top = volumes.max(pool).clamp(10, most);
        copies += (most - top).min(all_copies - copies);
        let bottom = body.height - top - copies;
        let width = (body.width * 27 / 100).clamp(32, 52);
        self.volumes = Rect::new(0, body.y, body.width - width, top);
        self.pool = Rect::new(body.width - width, body.y, width, top);
        self.copies = Rect::new(0, body.y + top, body.width, copies);
        let generations = body.width * 47 / 100;
        let y = body.y + top + copies;
        let spare = bottom.saturating_sub(rows(content.generations).saturating_add(2).max(6));
        let nights = spare.min(rows(content.nights).saturating_add(AROUND_NIGHTS));
        let has_nights = body.width >= WITH_NIGHTS && content.nights > 0 && nights >= FEWEST_NIGHTS + AROUND_NIGHTS;
        let nights = if has_nights { nights } else { 0 };
        self.generations = Rect::new(0, y, generations, bottom - nights);
        self.nights = Rect::new(0, y + bottom - nights, if has_nights { generations } else { 0 }, nights);
        self.events = Rect::new(generations, y, body.width - generations, bottom);
    }

    fn narrow(&mut self, body: Rect, detail: Pane, focus: Pane) {
        self.shape = Shape::Narrow;
        let spare = body.height.saturating_sub(1 + TABLE_ROWS + 1);
        if spare < 3 {
            // No room for both: the focused one has it all.
            if focus == Pane::Volumes {
                self.volumes = body;
            } else {
                self.tabs = Rect { height: 1, ..body };
                *self.area_mut(detail) = Rect::new(0, body.y + 1, body.width, body.height - 1);
            }
            return;
        }
        let below = (spare.saturating_sub(1)).clamp(3, (body.height * 2 / 5).max(3)).min(spare);
        let table = body.height - below - 1;
        self.volumes = Rect { height: table, ..body };
        self.tabs = Rect::new(0, body.y + table, body.width, 1);
        *self.area_mut(detail) = Rect::new(0, body.y + table + 1, body.width, below);
    }

    fn area_mut(&mut self, pane: Pane) -> &mut Rect {
        match pane {
            Pane::Volumes => &mut self.volumes,
            Pane::Copies => &mut self.copies,
            Pane::Pool => &mut self.pool,
            Pane::Generations => &mut self.generations,
            Pane::Events => &mut self.events,
        }
    }

    pub fn area(&self, pane: Pane) -> Rect {
        match pane {
            Pane::Volumes => self.volumes,
            Pane::Copies => self.copies,
            Pane::Pool => self.pool,
            Pane::Generations => self.generations,
            Pane::Events => self.events,
        }
    }

    pub fn shows(&self, pane: Pane) -> bool {
        !self.area(pane).is_empty()
    }

    /// The visible rows of a pane's list. The pool's is [`Layout::pool_rows`].
    pub fn rows(&self, pane: Pane) -> usize {
        let height = self.area(pane).height;
        let heading = u16::from(pane == Pane::Volumes);
        let frame = if self.shape == Shape::Wide { 2 } else { 0 };
        usize::from(height.saturating_sub(frame + heading))
    }

    /// The visible backup volumes under a summary of so many sizes.
    pub fn pool_rows(&self, sizes: usize) -> usize {
        let inner = self.rows(Pane::Pool);
        inner.saturating_sub(self.pool_summary(sizes) + 1 + self.pool_strips(sizes) + self.pool_legend(sizes))
    }

    /// Lines of the pool's legend, with the one above it: only where there are strips that need it.
    pub fn pool_legend(&self, sizes: usize) -> usize {
        let left = self.rows(Pane::Pool).saturating_sub(self.pool_summary(sizes) + 1 + self.pool_strips(sizes));
        if self.pool_strips(sizes) > 0 && left >= 3 + 3 { 3 } else { 0 }
    }

    /// Lines that the pool's strips take, with the one under them: none where the list would become too short.
    pub fn pool_strips(&self, sizes: usize) -> usize {
        let left = self.rows(Pane::Pool).saturating_sub(self.pool_summary(sizes) + 1);
        if left >= sizes + 1 + 5 { sizes + 1 } else { 0 }
    }

    /// Lines that the pool's summary takes, with its heading.
    pub fn pool_summary(&self, sizes: usize) -> usize {
        let inner = self.rows(Pane::Pool);
        (sizes + 1).min((inner / 2).max(2)).min(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_80_by_24_the_table_keeps_eight_rows_and_a_detail_pane_is_there() {
        let layout = Layout::of((80, 24), Pane::Copies, Pane::Volumes, Content::default());
        assert_eq!(layout.shape, Shape::Narrow);
        assert!(layout.rows(Pane::Volumes) >= 8);
        assert!(layout.rows(Pane::Copies) >= 5);
        assert!(!layout.shows(Pane::Pool));
    }

    #[test]
    fn no_area_leaves_the_screen_and_none_overlap_whatever_the_size() {
        for width in 0..=210 {
            for height in 0..=64 {
                for focus in Pane::ALL {
                    let detail = if focus == Pane::Volumes { Pane::Pool } else { focus };
                    let rows = usize::from(width + height) % 90;
                    let (volumes, copies, sizes, pool) = (rows, rows / 3, 3, rows * 2);
                    let content = Content {
                        volumes,
                        copies,
                        sizes,
                        pool,
                        generations: rows / 7,
                        nights: rows % 15,
                        away: rows % 2 == 1,
                    };
                    let layout = Layout::of((width, height), detail, focus, content);
                    let mut areas = vec![layout.header, layout.footer, layout.away, layout.tabs, layout.nights];
                    areas.extend(Pane::ALL.map(|pane| layout.area(pane)));
                    areas.retain(|area| !area.is_empty());
                    let screen = Rect::new(0, 0, width, height);
                    for (index, area) in areas.iter().enumerate() {
                        assert_eq!(screen.intersection(*area), *area, "{width}x{height} {layout:?}");
                        assert!(areas[index + 1..].iter().all(|other| !area.intersects(*other)), "{width}x{height}");
                    }
                }
            }
        }
    }
}
