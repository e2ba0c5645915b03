//! The console: its screens, and its life on a real terminal.
