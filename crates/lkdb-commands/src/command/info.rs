//! `info`: the prefix; what is behind it stands with its family.

use super::{
    breakpoints, display, files, info_frame, places, registers, scope, stack, symbols, threads, variables,
};
use crate::table::{Command, Group};

pub(crate) const COMMANDS: &[Command] = &[Command::prefix(
    &["info", "inf", "i"],
    "What is known: of symbols, lines, the machine",
    Group::Status,
    &[
        breakpoints::INFO,
        display::INFO,
        places::INFO,
        registers::INFO,
        scope::INFO,
        symbols::INFO,
        info_frame::INFO,
        stack::INFO,
        threads::INFO,
        variables::INFO,
        files::INFO,
    ],
    None,
)];
