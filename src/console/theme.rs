//! Colours by meaning. Views name what something is; only this file knows how that looks.

use super::glyphs::Glyphs;
use crate::model::snapshot::{BackupState, Severity, TransactionState};
use ratatui::style::{Color, Modifier, Style};

/// Which theme is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThemeName {
    #[default]
    Dark,
    Light,
    /// The terminal's own sixteen colours.
    Sixteen,
    /// No colour at all: bold, dim, underlined and reversed only.
    Plain,
}

/// A style for each meaning.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    pub text: Style,
    /// Secondary text: headings of columns, units, what is as it should be.
    pub dim: Style,
    pub frame: Style,
    pub frame_focused: Style,
    pub title: Style,
    pub title_focused: Style,
    /// The program's name and what leads on.
    pub accent: Style,
    pub key: Style,
    /// A key that would be refused now.
    pub key_off: Style,
    pub label: Style,
    /// Laid over everything that is not the engine's latest word.
    pub stale: Style,
    /// Laid over the selected row of the focused pane.
    pub selected: Style,
    /// Laid over the selected row of the other panes.
    pub selected_unfocused: Style,
    /// The colour of text that has none of its own, on those rows.
    pub on_selected: Option<Color>,
    pub cursor: Style,
    pub mark: Style,
    /// The part of a bar that is done.
    pub bar: Style,
    pub track: Style,
    pub copying: Style,
    pub equivalent: Style,
    pub suspended: Style,
    pub good: Style,
    pub warning: Style,
    pub problem: Style,
    /// What destroys.
    pub danger: Style,
    pub button: Style,
    pub button_focused: Style,
    pub demo: Style,
}

/// Colours and signs.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub theme: Theme,
    pub glyphs: &'static Glyphs,
}

/// The few colours that a theme is made of.
struct Palette {
    dim: Color,
    frame: Color,
    off: Color,
    accent: Color,
    copying: Color,
    equivalent: Color,
    suspended: Color,
    warning: Color,
    problem: Color,
    selected: Color,
    selected_unfocused: Color,
    /// On the selected row, where nothing else has a colour: a background of ours never meets a text colour of others.
    on_selected: Color,
    bar: Color,
    track: Color,
    on_accent: Color,
}

const DARK: Palette = Palette {
    dim: Color::Indexed(249),
    frame: Color::Indexed(240),
    off: Color::Indexed(245),
    accent: Color::Indexed(110),
    copying: Color::Indexed(117),
    equivalent: Color::Indexed(114),
    suspended: Color::Indexed(146),
    warning: Color::Indexed(215),
    problem: Color::Indexed(210),
    selected: Color::Indexed(237),
    selected_unfocused: Color::Indexed(236),
    on_selected: Color::Indexed(253),
    bar: Color::Indexed(67),
    track: Color::Indexed(236),
    on_accent: Color::Indexed(234),
};

const LIGHT: Palette = Palette {
    dim: Color::Indexed(240),
    frame: Color::Indexed(250),
    off: Color::Indexed(242),
    accent: Color::Indexed(25),
    copying: Color::Indexed(26),
    equivalent: Color::Indexed(22),
    suspended: Color::Indexed(60),
    warning: Color::Indexed(94),
    problem: Color::Indexed(124),
    selected: Color::Indexed(254),
    selected_unfocused: Color::Indexed(255),
    on_selected: Color::Indexed(234),
    bar: Color::Indexed(74),
    track: Color::Indexed(254),
    on_accent: Color::Indexed(231),
};

impl Theme {
    pub fn of(name: ThemeName) -> Self {
        match name {
            ThemeName::Dark => Self::from_palette(&DARK),
            ThemeName::Light => Self::from_palette(&LIGHT),
            ThemeName::Sixteen => Self::sixteen(),
            ThemeName::Plain => Self::plain(),
        }
    }

    fn from_palette(palette: &Palette) -> Self {
        let plain = Style::new();
        let fg = |color| plain.fg(color);
        Self {
            text: fg(Color::Reset),
            dim: fg(palette.dim),
            frame: fg(palette.frame),
            frame_focused: fg(palette.accent),
            title: fg(Color::Reset).add_modifier(Modifier::BOLD),
            title_focused: fg(palette.accent).add_modifier(Modifier::BOLD),
            accent: fg(palette.accent).add_modifier(Modifier::BOLD),
            key: fg(palette.accent).add_modifier(Modifier::BOLD),
            key_off: fg(palette.off),
            label: fg(palette.dim),
            stale: fg(palette.dim).remove_modifier(Modifier::BOLD),
            selected: plain.bg(palette.selected),
            selected_unfocused: plain.bg(palette.selected_unfocused),
            on_selected: Some(palette.on_selected),
            cursor: fg(palette.accent),
            mark: fg(palette.warning).add_modifier(Modifier::BOLD),
            bar: fg(palette.bar),
            track: plain.fg(palette.bar).bg(palette.track),
            copying: fg(palette.copying),
            equivalent: fg(palette.equivalent),
            suspended: fg(palette.suspended),
            good: fg(palette.equivalent),
            warning: fg(palette.warning),
            problem: fg(palette.problem).add_modifier(Modifier::BOLD),
            danger: fg(palette.problem).add_modifier(Modifier::BOLD),
            button: fg(palette.dim),
            button_focused: plain.fg(palette.on_accent).bg(palette.accent).add_modifier(Modifier::BOLD),
            demo: fg(palette.warning),
        }
    }

    /// Nobody knows which background they are on, nor how dark their blue and how light their yellow is: neither is used.
    fn sixteen() -> Self {
        let plain = Style::new();
        let fg = |color| plain.fg(color);
        // One bar: whatever colours were on the row, both are the terminal's own, exchanged.
        let reversed =
            fg(Color::Reset).bg(Color::Reset).add_modifier(Modifier::REVERSED).remove_modifier(Modifier::BOLD);
        Self {
            text: fg(Color::Reset),
            dim: fg(Color::Reset),
            frame: fg(Color::DarkGray),
            frame_focused: fg(Color::Cyan),
            title: fg(Color::Reset).add_modifier(Modifier::BOLD),
            title_focused: fg(Color::Cyan).add_modifier(Modifier::BOLD),
            accent: fg(Color::Cyan).add_modifier(Modifier::BOLD),
            key: fg(Color::Cyan).add_modifier(Modifier::BOLD),
            key_off: fg(Color::DarkGray),
            label: fg(Color::Reset),
            stale: fg(Color::DarkGray).remove_modifier(Modifier::BOLD),
            selected: reversed,
            selected_unfocused: plain,
            on_selected: None,
            cursor: fg(Color::Cyan),
            mark: fg(Color::Magenta).add_modifier(Modifier::BOLD),
            bar: fg(Color::Cyan),
            track: plain.fg(Color::Cyan).bg(Color::DarkGray),
            copying: fg(Color::Cyan),
            equivalent: fg(Color::Green),
            suspended: fg(Color::Reset),
            good: fg(Color::Green),
            warning: fg(Color::Magenta),
            problem: fg(Color::Red).add_modifier(Modifier::BOLD),
            danger: fg(Color::Red).add_modifier(Modifier::BOLD),
            button: plain,
            button_focused: reversed,
            demo: fg(Color::Magenta),
        }
    }

    fn plain() -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let dim = plain.add_modifier(Modifier::DIM);
        let reversed = plain.add_modifier(Modifier::REVERSED);
        Self {
            text: plain,
            dim: plain,
            frame: dim,
            frame_focused: plain,
            title: bold,
            title_focused: bold.add_modifier(Modifier::UNDERLINED),
            accent: bold,
            key: bold,
            key_off: dim,
            label: plain,
            stale: dim.remove_modifier(Modifier::BOLD),
            selected: reversed,
            selected_unfocused: plain,
            on_selected: None,
            cursor: bold,
            mark: bold,
            bar: plain,
            track: plain,
            copying: plain,
            equivalent: plain,
            suspended: plain,
            good: plain,
            warning: bold,
            problem: bold,
            danger: bold,
            button: plain,
            button_focused: reversed,
            demo: bold,
        }
    }

    /// A style on the selected row: a background never meets a text colour that is not ours.
    pub fn over(&self, style: Style) -> Style {
        match self.on_selected {
            Some(color) if matches!(style.fg, None | Some(Color::Reset)) => style.patch(self.selected).fg(color),
            _ => style.patch(self.selected),
        }
    }

    pub fn transaction(&self, state: TransactionState) -> Style {
        match state {
            TransactionState::None => self.dim,
            TransactionState::Suspended => self.suspended,
            TransactionState::Equivalent => self.equivalent,
            TransactionState::Copying | TransactionState::Restoring => self.copying,
            TransactionState::Halted => self.warning,
            TransactionState::Unknown
            | TransactionState::HalfOpen
            | TransactionState::Error
            | TransactionState::Inbound
            | TransactionState::Reversed
            | TransactionState::RestoreIncomplete => self.problem,
        }
    }

    pub fn backup(&self, state: BackupState) -> Style {
        match state {
            BackupState::Unused | BackupState::Foreign => self.dim,
            BackupState::Generation | BackupState::SuspendedGeneration => self.text,
            BackupState::Bound => self.suspended,
            BackupState::Copying | BackupState::Restoring => self.copying,
            BackupState::Equivalent => self.equivalent,
            BackupState::Error | BackupState::Reversed | BackupState::RestoreIncomplete => self.problem,
            BackupState::Unverified => self.warning,
        }
    }

    pub fn severity(&self, severity: Severity) -> Style {
        match severity {
            Severity::Info => self.text,
            Severity::Good => self.good,
            Severity::Warning => self.warning,
            Severity::Problem => self.problem,
        }
    }
}

impl ThemeName {
    /// From the environment's words: `NO_COLOR` set to anything, the terminal's name, and `COLORFGBG`, where a terminal
    /// tells its background.
    pub fn from_environment(no_color: Option<&str>, term: &str, colorfgbg: Option<&str>) -> Self {
        if no_color.is_some_and(|value| !value.is_empty()) || matches!(term, "dumb" | "vt100" | "vt220") {
            return Self::Plain;
        }
        if !term.contains("256color")
            && !["kitty", "alacritty", "ghostty", "foot", "wezterm"].iter().any(|name| term.contains(name))
        {
            return Self::Sixteen;
        }
        let background =
            colorfgbg.and_then(|value| value.rsplit(';').next()).and_then(|value| value.parse::<u8>().ok());
        if matches!(background, Some(7 | 9..=15)) { Self::Light } else { Self::Dark }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses_the_theme() {
        assert_eq!(ThemeName::from_environment(Some("1"), "xterm-256color", None), ThemeName::Plain);
        assert_eq!(ThemeName::from_environment(Some(""), "xterm-256color", None), ThemeName::Dark);
        assert_eq!(ThemeName::from_environment(None, "linux", None), ThemeName::Sixteen);
        assert_eq!(ThemeName::from_environment(None, "xterm-256color", Some("0;15")), ThemeName::Light);
        assert_eq!(ThemeName::from_environment(None, "screen-256color", Some("15;0")), ThemeName::Dark);
    }

    #[test]
    fn a_background_never_meets_a_text_colour_that_is_not_ours() {
        for name in [ThemeName::Dark, ThemeName::Light, ThemeName::Sixteen] {
            let theme = Theme::of(name);
            for style in [theme.track, theme.button_focused] {
                assert_eq!(style.fg.is_some(), style.bg.is_some(), "{name:?}");
            }
            let own = |color: Option<Color>| color.is_some_and(|color| color != Color::Reset);
            assert!(!own(theme.selected.bg) || theme.on_selected.is_some(), "{name:?}");
        }
        let theme = Theme::of(ThemeName::Sixteen);
        let styles = [theme.suspended, theme.warning, theme.mark, theme.demo, theme.copying, theme.equivalent];
        assert!(styles.iter().all(|style| !matches!(style.fg, Some(Color::Blue | Color::Yellow))));
    }

    /// The colours of xterm's 256, as red, green and blue.
    fn rgb(color: Color) -> (u8, u8, u8) {
        let Color::Indexed(index @ 16..) = color else { panic!("{color} is the terminal's own") };
        if index >= 232 {
            let grey = 8 + 10 * (index - 232);
            return (grey, grey, grey);
        }
        let step = |number: u8| if number == 0 { 0 } else { 55 + 40 * number };
        let cube = index - 16;
        (step(cube / 36), step(cube / 6 % 6), step(cube % 6))
    }

    /// Relative luminance, by WCAG 2.
    fn luminance((red, green, blue): (u8, u8, u8)) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    fn contrast(one: (u8, u8, u8), other: (u8, u8, u8)) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_meaning_can_be_read_in_every_theme() {
        // The backgrounds that terminals have, from black to dark grey and from white to paper.
        let grounds = [
            (ThemeName::Dark, [(0, 0, 0), (0x1e, 0x1e, 0x1e)]),
            (ThemeName::Light, [(0xff, 0xff, 0xff), (0xfd, 0xfd, 0xfa)]),
        ];
        for (name, grounds) in grounds {
            let theme = Theme::of(name);
            let on_rows = [
                ("dim", theme.dim),
                ("accent", theme.accent),
                ("key", theme.key),
                ("label", theme.label),
                ("mark", theme.mark),
                ("copying", theme.copying),
                ("equivalent", theme.equivalent),
                ("suspended", theme.suspended),
                ("good", theme.good),
                ("warning", theme.warning),
                ("problem", theme.problem),
                ("danger", theme.danger),
            ];
            let elsewhere = [("key_off", theme.key_off), ("demo", theme.demo), ("title", theme.title_focused)];
            for (meaning, style) in on_rows.iter().chain(&elsewhere) {
                for ground in grounds {
                    let contrast = contrast(rgb(style.fg.unwrap()), ground);
                    assert!(contrast >= 4.5, "{name:?} {meaning} on {ground:?}: {contrast:.2}");
                }
            }
            let selected = [theme.selected, theme.selected_unfocused].map(|style| rgb(style.bg.unwrap()));
            let plain = ("text", Style::new().fg(theme.on_selected.unwrap()));
            for (meaning, style) in on_rows.iter().chain([&plain]) {
                for ground in selected {
                    let contrast = contrast(rgb(style.fg.unwrap()), ground);
                    assert!(contrast >= 4.5, "{name:?} {meaning} on a selected row: {contrast:.2}");
                }
            }
            let button = contrast(rgb(theme.button_focused.fg.unwrap()), rgb(theme.button_focused.bg.unwrap()));
            assert!(button >= 4.5, "{name:?} button: {button:.2}");
        }
    }

    #[test]
    fn the_plain_theme_has_no_colour_and_still_shows_the_cursor() {
        let theme = Theme::of(ThemeName::Plain);
        for style in [theme.text, theme.problem, theme.key_off, theme.selected, theme.button_focused, theme.track] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        assert!(theme.selected.add_modifier.contains(Modifier::REVERSED));
        assert!(theme.key_off.add_modifier != theme.key.add_modifier);
    }
}
