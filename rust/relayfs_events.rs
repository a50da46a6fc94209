// SPDX-License-Identifier: GPL-2.0

//! Events described once, for clients in Rust; the twin of `include/linux/relayfs_events.h`.
//!
//! A client includes this file beside `relayfs.rs`, both at the root of its crate and by these names:
//!
//! ```text
//! #[path = "../rust/relayfs.rs"]
//! mod relayfs;
//! #[path = "../rust/relayfs_events.rs"]
//! mod relayfs_events;
//! ```
//!
//! ```
//! relayfs_events::events! {
//!     static NET: "net";
//!
//!     struct Rx as "net_rx" { queue: u16, skb: x64, dev: [char; 16] }
//!     struct Drop as "net_drop" { mac: [u8; 6], reason: str }
//!     struct Reset as "net_reset" {}
//! }
//!
//! let channel = relayfs::Channel::builder(c"net").records(Some(&NET)).open()?;
//! let dev = relayfs_events::text(b"eth0");
//! Rx { queue: 3, skb: 0xffff_8880_0123_4567, dev }.write(&channel)?;
//! Drop { mac: [0; 6] }.write(&channel, b"no such host")?;
//! Reset {}.write(&channel)?;
//! ```
//!
//! | kind of a field | in the structure | shown as |
//! |---|---|---|
//! | `u8` to `u64`, `i8` to `i64` | the same | a number |
//! | `x8` to `x64` | `u8` to `u64` | a number in hexadecimal |
//! | `[u16; n]`, and so on | `[u16; n]` | `n` numbers |
//! | `[char; n]` | `[u8; n]`, see [`text`] | a text |
//! | `str`; comes last | not there: `write()` takes a `&[u8]` | a text |
//! | `[u16]`, and so on; comes last | not there: `write()` takes a `&[u16]` | numbers |
//!
//! Fields lie in the ring as in a structure of C, with zeroes between them. `write()` can be called in any
//! context, and gives the length of the event or an error, as `Channel::write_event()` does.

// A client need not use all of it.
#![allow(dead_code, unused_imports, unused_macros)]

use super::relayfs::{Channel, Slot};
use kernel::prelude::*;

pub(crate) use super::relayfs::{EventType, Schema};

/// As much of a text as there is room for, with zeroes behind it.
pub(crate) const fn text<const N: usize>(from: &[u8]) -> [u8; N] {
    let mut to = [0; N];
    let mut i = 0;
    while i < N && i < from.len() {
        to[i] = from[i];
        i += 1;
    }
    to
}

/// What a field is written as.
pub(crate) trait Field {
    /// To what it is aligned, and how long it is.
    const ALIGN: usize;
    const LEN: usize;

    fn put(&self, into: &mut Filler<'_>) -> Result;
}

macro_rules! numbers {
    ($($number:ty)*) => {
        $(
            impl Field for $number {
                const ALIGN: usize = size_of::<Self>();
                const LEN: usize = size_of::<Self>();

                #[inline(always)]
                fn put(&self, into: &mut Filler<'_>) -> Result {
                    into.put(Self::ALIGN, &self.to_ne_bytes())
                }
            }
        )*
    };
}

numbers!(u8 u16 u32 u64 i8 i16 i32 i64);

impl<T: Field, const N: usize> Field for [T; N] {
    const ALIGN: usize = T::ALIGN;
    const LEN: usize = T::LEN * N;

    #[inline(always)]
    fn put(&self, into: &mut Filler<'_>) -> Result {
        self.iter().try_for_each(|number| number.put(into))
    }
}

/// The end of a field that is aligned so, and so long, behind what ends at `at`.
pub(crate) const fn end_of_field(at: usize, align: usize, len: usize) -> usize {
    at.next_multiple_of(align) + len
}

/// Fills a slot with fields.
pub(crate) struct Filler<'a> {
    slot: Slot<'a>,
}

impl<'a> Filler<'a> {
    /// Reserves an event of `fixed` bytes, and `tail` more. Those of a length that cannot be are refused
    /// as too long.
    #[inline(always)]
    pub(crate) fn new(channel: &'a Channel, id: u32, fixed: usize, tail: usize) -> Result<Self> {
        let slot = channel.reserve_event(id, fixed.saturating_add(tail))?;
        Ok(Self { slot })
    }

    #[inline(always)]
    fn put(&mut self, align: usize, bytes: &[u8]) -> Result {
        const ZEROES: [u8; 8] = [0; 8];
        let gap = self.slot.len().wrapping_neg() & align.wrapping_sub(1);
        self.slot.append(ZEROES.get(..gap).unwrap_or_default())?;
        self.slot.append(bytes)
    }

    /// The numbers of a sequence. Their length was put before.
    #[inline]
    pub(crate) fn put_all<T: Field>(&mut self, numbers: &[T]) -> Result {
        self.put(T::ALIGN, &[])?;
        numbers.iter().try_for_each(|number| number.put(self))
    }

    /// A string, and its end. What would end it before becomes a question mark: a reader would take what
    /// follows for the next event.
    #[inline]
    pub(crate) fn put_string(&mut self, text: &[u8]) -> Result {
        let start = self.slot.len();
        self.put(1, text)?;
        for byte in self.slot.get_mut(start..).unwrap_or_default() {
            if *byte == 0 {
                *byte = b'?';
            }
        }
        self.put(1, &[0])
    }

    /// The event is there. How long it is.
    #[inline(always)]
    pub(crate) fn commit(self) -> usize {
        let len = self.slot.len();
        self.slot.commit();
        len
    }
}

/// A string of C that is known when this is compiled.
pub(crate) const fn c_str(with_zero: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(with_zero.as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("a zero in the middle"),
    }
}

/// Defines events, and the schema of channels that have them: see the head of this file.
macro_rules! events {
    (
        $(#[$schema_meta:meta])*
        $schema_vis:vis static $schema:ident : $schema_name:literal;
        $(
            $(#[$meta:meta])*
            $vis:vis struct $event:ident as $name:literal { $($fields:tt)* }
        )*
    ) => {
        $(
            $crate::relayfs_events::events!(
                @split [[$(#[$meta])*] $vis $event $name] [] $($fields)*
            );
        )*

        const _: () = {
            enum Ids { $($event),* }
            $(
                impl $event {
                    const ID: u32 = Ids::$event as u32;
                }
            )*
        };

        $(#[$schema_meta])*
        $schema_vis static $schema: $crate::relayfs_events::Schema =
            $crate::relayfs_events::Schema::new(
                $crate::relayfs_events::c_str(concat!($schema_name, "\0")),
                &[$($event::TYPE),*],
            );
    };

    // The fields of an event: those of known length, then what comes last.
    (@split $head:tt [$($done:tt)*] $field:ident : str $(,)?) => {
        $crate::relayfs_events::events!(@define $head [$($done)*] [string $field u8]);
    };
    (@split $head:tt [$($done:tt)*] $field:ident : [$kind:ident] $(,)?) => {
        $crate::relayfs_events::events!(@define $head [$($done)*] [sequence $field $kind]);
    };
    (@split $head:tt [$($done:tt)*] $field:ident : $kind:tt $(, $($rest:tt)*)?) => {
        $crate::relayfs_events::events!(@split $head [$($done)* [$field $kind]] $($($rest)*)?);
    };
    (@split $head:tt $done:tt) => {
        $crate::relayfs_events::events!(@define $head $done []);
    };

    (
        @define [[$(#[$meta:meta])*] $vis:vis $event:ident $name:literal]
        [$([$field:ident $kind:tt])*] $last:tt
    ) => {
        $(#[$meta])*
        #[repr(C)]
        $vis struct $event {
            $(pub(crate) $field: $crate::relayfs_events::events!(@type $kind)),*
        }

        impl $event {
            const TYPE: $crate::relayfs_events::EventType =
                $crate::relayfs_events::EventType::new(
                    $crate::relayfs_events::c_str(concat!($name, "\0")),
                    $crate::relayfs_events::c_str(concat!(
                        $($crate::relayfs_events::events!(@tsdl $field $kind),)*
                        $crate::relayfs_events::events!(@tsdl_last $last),
                        "\0"
                    )),
                );

            /// Bytes of the fields, without what comes last.
            const FIXED: usize = {
                let at = 0;
                $(
                    let at = {
                        type T = $crate::relayfs_events::events!(@type $kind);
                        $crate::relayfs_events::end_of_field(
                            at,
                            <T as $crate::relayfs_events::Field>::ALIGN,
                            <T as $crate::relayfs_events::Field>::LEN,
                        )
                    };
                )*
                at
            };

            #[inline(always)]
            fn fill(&self, _into: &mut $crate::relayfs_events::Filler<'_>) -> Result {
                $($crate::relayfs_events::Field::put(&self.$field, _into)?;)*
                Ok(())
            }

            $crate::relayfs_events::events!(@write $vis $last);
        }
    };

    (@write $vis:vis []) => {
        /// Writes the event. Any context.
        #[inline]
        $vis fn write(&self, channel: &$crate::relayfs::Channel) -> Result<usize> {
            let mut into =
                $crate::relayfs_events::Filler::new(channel, Self::ID, Self::FIXED, 0)?;
            self.fill(&mut into)?;
            Ok(into.commit())
        }
    };
    (@write $vis:vis [string $field:ident u8]) => {
        /// Writes the event. Any context.
        #[inline]
        $vis fn write(&self, channel: &$crate::relayfs::Channel, $field: &[u8]) -> Result<usize> {
            let tail = $field.len().saturating_add(1);
            let mut into =
                $crate::relayfs_events::Filler::new(channel, Self::ID, Self::FIXED, tail)?;
            self.fill(&mut into)?;
            into.put_string($field)?;
            Ok(into.commit())
        }
    };
    (@write $vis:vis [sequence $field:ident $kind:ident]) => {
        /// Writes the event. Any context.
        #[inline]
        $vis fn write(
            &self,
            channel: &$crate::relayfs::Channel,
            $field: &[$crate::relayfs_events::events!(@type $kind)],
        ) -> Result<usize> {
            use $crate::relayfs_events::{end_of_field, Field, Filler};
            type T = $crate::relayfs_events::events!(@type $kind);

            let fixed = const { end_of_field(end_of_field(Self::FIXED, 4, 4), T::ALIGN, 0) };
            let mut into = Filler::new(channel, Self::ID, fixed, size_of_val($field))?;
            self.fill(&mut into)?;
            Field::put(&($field.len() as u32), &mut into)?;
            into.put_all($field)?;
            Ok(into.commit())
        }
    };

    (@type x8) => { u8 };
    (@type x16) => { u16 };
    (@type x32) => { u32 };
    (@type x64) => { u64 };
    (@type [char; $n:expr]) => { [u8; $n] };
    (@type [$kind:ident; $n:expr]) => { [$crate::relayfs_events::events!(@type $kind); $n] };
    (@type $kind:ident) => { $kind };

    // Readers of the metadata take one underscore off: so any name will do.
    (@tsdl $field:ident [char; $n:literal]) => {
        concat!("utf8 _", stringify!($field), "[", stringify!($n), "]; ")
    };
    (@tsdl $field:ident [$kind:ident; $n:literal]) => {
        concat!(
            $crate::relayfs_events::events!(@name $kind),
            " _", stringify!($field), "[", stringify!($n), "]; "
        )
    };
    (@tsdl $field:ident $kind:ident) => {
        concat!($crate::relayfs_events::events!(@name $kind), " _", stringify!($field), "; ")
    };
    (@tsdl_last []) => { "" };
    (@tsdl_last [string $field:ident u8]) => { concat!("string _", stringify!($field), "; ") };
    (@tsdl_last [sequence $field:ident $kind:ident]) => {
        concat!(
            "u32 _", stringify!($field), "_length; ",
            $crate::relayfs_events::events!(@name $kind),
            " _", stringify!($field), "[_", stringify!($field), "_length]; "
        )
    };

    (@name i8) => { "s8" };
    (@name i16) => { "s16" };
    (@name i32) => { "s32" };
    (@name i64) => { "s64" };
    (@name $kind:ident) => { stringify!($kind) };
}

pub(crate) use events;
