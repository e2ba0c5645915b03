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
    /// The same, where the background is known to be dark.
    SixteenDark,
    /// The same, where it is known to be light.
    SixteenLight,
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
    /// Bars grow by whole characters: the line is slow.
    pub whole_bars: bool,
    /// The next frame has the table and the keys only, without frames and bars: a slow line shows those before the rest.
    pub essential: bool,
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

/// What is used of a terminal's own sixteen colours: those that can be read on its background, whoever chose them.
struct FewColors {
    accent: Color,
    good: Color,
    warning: Color,
    problem: Color,
    /// Of what cannot be used now, of frames and of the empty part of a bar.
    faint: Color,
    track: Color,
}

/// On a background that nobody knows. Of all colours only red and magenta can be read on black and on white.
const SIXTEEN: FewColors = FewColors {
    accent: Color::Reset,
    good: Color::Reset,
    warning: Color::Magenta,
    problem: Color::Red,
    faint: Color::DarkGray,
    track: Color::DarkGray,
};

/// On black or nearly black: dark blue and dark magenta cannot be read there.
const SIXTEEN_DARK: FewColors = FewColors {
    accent: Color::Cyan,
    good: Color::Green,
    warning: Color::LightYellow,
    problem: Color::LightRed,
    faint: Color::DarkGray,
    track: Color::DarkGray,
};

/// On white or nearly white: cyan, green and yellow cannot be read there, so what is as it should be has no colour.
const SIXTEEN_LIGHT: FewColors = FewColors {
    accent: Color::Blue,
    good: Color::Reset,
    warning: Color::Magenta,
    problem: Color::Red,
    faint: Color::DarkGray,
    track: Color::Gray,
};

impl Theme {
    pub fn of(name: ThemeName) -> Self {
        match name {
            ThemeName::Dark => Self::from_palette(&DARK),
            ThemeName::Light => Self::from_palette(&LIGHT),
            ThemeName::Sixteen => Self::sixteen(&SIXTEEN),
            ThemeName::SixteenDark => Self::sixteen(&SIXTEEN_DARK),
            ThemeName::SixteenLight => Self::sixteen(&SIXTEEN_LIGHT),
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

    fn sixteen(colors: &FewColors) -> Self {
        let plain = Style::new();
        let fg = |color| plain.fg(color);
        // One bar: whatever colours were on the row, both are the terminal's own, exchanged.
        let reversed =
            fg(Color::Reset).bg(Color::Reset).add_modifier(Modifier::REVERSED).remove_modifier(Modifier::BOLD);
        let accent = fg(colors.accent).add_modifier(Modifier::BOLD);
        // Without a colour of its own a focused pane is told by its title.
        let underlined = if colors.accent == Color::Reset { Modifier::UNDERLINED } else { Modifier::empty() };
        let problem = fg(colors.problem).add_modifier(Modifier::BOLD);
        Self {
            text: fg(Color::Reset),
            dim: fg(Color::Reset),
            frame: fg(colors.faint),
            frame_focused: fg(colors.accent),
            title: fg(Color::Reset).add_modifier(Modifier::BOLD),
            title_focused: accent.add_modifier(underlined),
            accent,
            key: accent,
            key_off: fg(colors.faint),
            label: fg(Color::Reset),
            // It loses its colours and stays readable.
            stale: fg(Color::Reset).remove_modifier(Modifier::BOLD),
            selected: reversed,
            selected_unfocused: plain,
            on_selected: None,
            cursor: fg(colors.accent),
            mark: fg(colors.warning).add_modifier(Modifier::BOLD),
            bar: fg(colors.accent),
            track: fg(colors.accent).bg(colors.track),
            copying: fg(colors.accent),
            equivalent: fg(colors.good),
            suspended: fg(Color::Reset),
            good: fg(colors.good),
            warning: fg(colors.warning),
            problem,
            danger: problem,
            button: plain,
            button_focused: reversed,
            demo: fg(colors.warning),
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
            BackupState::Copying | BackupState::Restoring | BackupState::Practice => self.copying,
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
        let background =
            colorfgbg.and_then(|value| value.rsplit(';').next()).and_then(|value| value.parse::<u8>().ok());
        let has_few = !term.contains("256color")
            && !["kitty", "alacritty", "ghostty", "foot", "wezterm"].iter().any(|name| term.contains(name));
        let theme = if has_few { Self::Sixteen } else { Self::Dark };
        match background {
            Some(color) => theme.on(matches!(color, 7 | 9..=15)),
            // The console of a Linux machine is black.
            None if term == "linux" => theme.on(false),
            None => theme,
        }
    }

    /// The same with the terminal's own sixteen colours, which take half the bytes to name: for slow lines.
    #[must_use]
    pub fn in_few_bytes(self) -> Self {
        match self {
            Self::Dark => Self::SixteenDark,
            Self::Light => Self::SixteenLight,
            Self::Sixteen | Self::SixteenDark | Self::SixteenLight | Self::Plain => self,
        }
    }

    /// The same for a background that is light, or is not.
    #[must_use]
    pub fn on(self, light: bool) -> Self {
        match (self, light) {
            (Self::Dark | Self::Light, true) => Self::Light,
            (Self::Dark | Self::Light, false) => Self::Dark,
            (Self::Sixteen | Self::SixteenDark | Self::SixteenLight, true) => Self::SixteenLight,
            (Self::Sixteen | Self::SixteenDark | Self::SixteenLight, false) => Self::SixteenDark,
            (Self::Plain, _) => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses_the_theme() {
        assert_eq!(ThemeName::from_environment(Some("1"), "xterm-256color", None), ThemeName::Plain);
        assert_eq!(ThemeName::from_environment(Some(""), "xterm-256color", None), ThemeName::Dark);
        assert_eq!(ThemeName::from_environment(None, "linux", None), ThemeName::SixteenDark);
        assert_eq!(ThemeName::from_environment(None, "xterm", None), ThemeName::Sixteen);
        assert_eq!(ThemeName::from_environment(None, "xterm-256color", Some("0;15")), ThemeName::Light);
        assert_eq!(ThemeName::from_environment(None, "screen-256color", Some("15;0")), ThemeName::Dark);
        assert_eq!(ThemeName::from_environment(None, "rxvt", Some("0;default;15")), ThemeName::SixteenLight);
        assert_eq!(ThemeName::Sixteen.on(true).on(false), ThemeName::SixteenDark);
        assert_eq!(ThemeName::Plain.on(true), ThemeName::Plain);
        // On a slow line, and still what the terminal says when it answers.
        assert_eq!(ThemeName::Dark.in_few_bytes().on(true), ThemeName::SixteenLight);
        assert_eq!(ThemeName::Light.in_few_bytes(), ThemeName::SixteenLight);
        assert_eq!(ThemeName::Plain.in_few_bytes(), ThemeName::Plain);
    }

    #[test]
    fn a_background_never_meets_a_text_colour_that_is_not_ours() {
        for name in
            [ThemeName::Dark, ThemeName::Light, ThemeName::Sixteen, ThemeName::SixteenDark, ThemeName::SixteenLight]
        {
            let theme = Theme::of(name);
            for style in [theme.track, theme.button_focused] {
                assert_eq!(style.fg.is_some(), style.bg.is_some(), "{name:?}");
            }
            let own = |color: Option<Color>| color.is_some_and(|color| color != Color::Reset);
            assert!(!own(theme.selected.bg) || theme.on_selected.is_some(), "{name:?}");
        }
    }

    /// What widespread terminals show for the sixteen colours: xterm, the Linux console, Windows, and GNOME's.
    const TERMINALS: [[u32; 16]; 4] = [
        [
            0x00_0000, 0xcd_0000, 0x00_cd00, 0xcd_cd00, 0x00_00ee, 0xcd_00cd, 0x00_cdcd, 0xe5_e5e5, 0x7f_7f7f,
            0xff_0000, 0x00_ff00, 0xff_ff00, 0x5c_5cff, 0xff_00ff, 0x00_ffff, 0xff_ffff,
        ],
        [
            0x00_0000, 0xaa_0000, 0x00_aa00, 0xaa_5500, 0x00_00aa, 0xaa_00aa, 0x00_aaaa, 0xaa_aaaa, 0x55_5555,
            0xff_5555, 0x55_ff55, 0xff_ff55, 0x55_55ff, 0xff_55ff, 0x55_ffff, 0xff_ffff,
        ],
        [
            0x0c_0c0c, 0xc5_0f1f, 0x13_a10e, 0xc1_9c00, 0x00_37da, 0x88_1798, 0x3a_96dd, 0xcc_cccc, 0x76_7676,
            0xe7_4856, 0x16_c60c, 0xf9_f1a5, 0x3b_78ff, 0xb4_009e, 0x61_d6d6, 0xf2_f2f2,
        ],
        [
            0x2e_3436, 0xcc_0000, 0x4e_9a06, 0xc4_a000, 0x34_65a4, 0x75_507b, 0x06_989a, 0xd3_d7cf, 0x55_5753,
            0xef_2929, 0x8a_e234, 0xfc_e94f, 0x72_9fcf, 0xad_7fa8, 0x34_e2e2, 0xee_eeec,
        ],
    ];

    /// What stands on rows, by its meaning.
    fn on_rows(theme: &Theme) -> [(&'static str, Style); 12] {
        [
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
        ]
    }

    fn shown(color: Color, terminal: &[u32; 16]) -> (u8, u8, u8) {
        let at = match color {
            Color::Red => 1,
            Color::Green => 2,
            Color::Blue => 4,
            Color::Magenta => 5,
            Color::Cyan => 6,
            Color::LightRed => 9,
            Color::LightYellow => 11,
            other => panic!("{other} is not chosen to be read"),
        };
        let [_, red, green, blue] = terminal[at].to_be_bytes();
        (red, green, blue)
    }

    #[test]
    fn every_meaning_can_be_read_in_the_terminals_own_colours() {
        for (name, ground) in [(ThemeName::SixteenDark, (0, 0, 0)), (ThemeName::SixteenLight, (0xff, 0xff, 0xff))] {
            let theme = Theme::of(name);
            let meanings = on_rows(&theme).into_iter().chain([("stale", theme.stale), ("demo", theme.demo)]);
            for (meaning, style) in meanings.filter(|(_, style)| style.fg != Some(Color::Reset)) {
                for terminal in &TERMINALS {
                    let contrast = contrast(shown(style.fg.unwrap(), terminal), ground);
                    assert!(contrast >= 4.5, "{name:?} {meaning}: {contrast:.2}");
                }
            }
        }
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
            let on_rows = on_rows(&theme);
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
