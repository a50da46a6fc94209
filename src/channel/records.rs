// SPDX-License-Identifier: GPL-2.0

//! Channels of records: what makes sub-buffers packets that any reader of CTF can open.

use crate::bindings as local;
use crate::metadata::{self, Event, Trace, Value, BLOB};
use crate::ring::{Clock, Packet};
use core::fmt;
use kernel::bindings;
use kernel::ffi::c_char;
use kernel::prelude::*;
use kernel::sync::SetOnce;

/// What a trace is known by.
pub(crate) type Uuid = [u8; 16];

/// More types than a client will have, and few enough to take its mistakes for what they are.
const MAX_TYPES: u32 = 4096;

/// What the packets of a channel have in common, and what tells of them.
pub(crate) struct Records {
    uuid: Uuid,
    /// Ids of events are below.
    pub(crate) n_types: u32,
    /// Whether the bytes of events mean anything to readers.
    pub(crate) has_schema: bool,
    /// With a zero at its end.
    metadata: KVVec<u8>,
}

/// As long as the module is there, its clocks go together, also those of different channels.
static CLOCK: SetOnce<Uuid> = SetOnce::new();

fn random_uuid() -> Uuid {
    let mut uuid = [0; 16];
    // SAFETY: As many bytes as a UUID has.
    unsafe { bindings::generate_random_uuid(uuid.as_mut_ptr()) };
    uuid
}

/// A clock as it is now.
fn read_clock(clock: Clock) -> Result<metadata::Clock> {
    let (name, freq) = match clock {
        Clock::Mono => ("monotonic", 1_000_000_000),
        Clock::Tsc => {
            // SAFETY: No conditions.
            let khz = unsafe { local::relayfs_helper_tsc_khz() };
            ("tsc", u64::from(khz).wrapping_mul(1000))
        }
        // Events have a time.
        Clock::None => return Err(EINVAL),
    };
    if freq == 0 {
        return Err(EOPNOTSUPP);
    }
    let before = clock.read();
    let mono = Clock::Mono.read();
    let after = clock.read();
    let ticks = match clock {
        Clock::Mono => mono,
        _ => before.wrapping_add(after.wrapping_sub(before) / 2),
    };
    // SAFETY: No conditions.
    let real = unsafe { local::relayfs_helper_mono_to_real(mono as i64) };
    Ok(metadata::Clock::new(name, freq, ticks, real.max(0) as u64))
}

/// A text that grows as long as there is memory.
struct Text(KVVec<u8>);

impl fmt::Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        self.0
            .extend_from_slice(more.as_bytes(), GFP_KERNEL)
            .map_err(|_| fmt::Error)
    }
}

/// A client's string, if there is one.
///
/// # Safety
///
/// `text` must be null or a string that stays as long as the result.
unsafe fn bytes<'a>(text: *const c_char) -> Result<&'a [u8]> {
    if text.is_null() {
        return Err(EINVAL);
    }
    // SAFETY: As the caller promises.
    Ok(unsafe { CStr::from_char_ptr(text) }.to_bytes())
}

/// An event's type, checked.
///
/// # Safety
///
/// The strings must be null or strings that stay as long as the result.
unsafe fn event<'a>(ty: &local::relay_event_type) -> Result<Event<'a>> {
    // SAFETY: As the caller promises.
    let (name, fields) = unsafe { (bytes(ty.name)?, bytes(ty.fields)?) };
    if !metadata::is_name(name) || !metadata::are_fields(fields) {
        return Err(EINVAL);
    }
    let text = |bytes| core::str::from_utf8(bytes).map_err(|_| EINVAL);
    Ok(Event {
        name: text(name)?,
        fields: text(fields)?,
    })
}

impl Records {
    /// Describes the channel `path`. Process context.
    ///
    /// # Safety
    ///
    /// `schema` must be null or valid, with what it points to.
    pub(crate) unsafe fn new(
        path: Option<&CStr>,
        clock: Clock,
        schema: *const local::relay_schema,
    ) -> Result<Self> {
        CLOCK.populate(random_uuid());
        let trace = Trace {
            uuid: random_uuid(),
            clock: read_clock(clock)?,
            clock_uuid: *CLOCK.as_ref().ok_or(EAGAIN)?,
            env: &[],
        };
        // SAFETY: As the caller promises.
        let schema = unsafe { schema.as_ref() };
        let name = match schema {
            // SAFETY: As the caller promises.
            Some(schema) => unsafe { bytes(schema.name)? },
            None => b"none",
        };
        let mut text = Text(KVVec::new());
        head(&mut text, trace, path, name).map_err(|_| ENOMEM)?;
        let n_types = match schema {
            // SAFETY: As the caller promises.
            Some(schema) => unsafe { events(&mut text, schema)? },
            None => {
                metadata::write_event(&mut text, 0, BLOB).map_err(|_| ENOMEM)?;
                1
            }
        };
        text.0.push(0, GFP_KERNEL)?;
        Ok(Self {
            uuid: trace.uuid,
            n_types,
            has_schema: schema.is_some(),
            metadata: text.0,
        })
    }

    /// What its packets have in common; of a global channel.
    pub(crate) fn packet(&self) -> Packet {
        Packet {
            uuid: self.uuid,
            stream_id: 0,
            cpu: u32::MAX,
        }
    }

    pub(crate) fn metadata(&self) -> &CStr {
        CStr::from_bytes_with_nul(&self.metadata).unwrap_or_default()
    }
}

fn head(text: &mut Text, trace: Trace<'_>, path: Option<&CStr>, schema: &[u8]) -> fmt::Result {
    let mut host = [0u8; 65];
    let mut release = [0u8; 65];
    // SAFETY: Both are as long as is said.
    unsafe { local::relayfs_helper_uts(host.as_mut_ptr(), release.as_mut_ptr(), host.len()) };
    let up_to_zero = |text: &'_ [u8; 65]| text.iter().position(|&c| c == 0).unwrap_or(0);
    let env = [
        (
            "hostname",
            Value::Text(host.get(..up_to_zero(&host)).unwrap_or_default()),
        ),
        ("domain", Value::Text(b"kernel")),
        ("sysname", Value::Text(b"Linux")),
        (
            "kernel_release",
            Value::Text(release.get(..up_to_zero(&release)).unwrap_or_default()),
        ),
        ("tracer_name", Value::Text(b"relayfs")),
        ("tracer_major", Value::Number(local::RELAYFS_PACKET_VERSION)),
        ("tracer_minor", Value::Number(0)),
        ("channel", Value::Text(path.map_or(b"", CStr::to_bytes))),
        ("schema", Value::Text(schema)),
    ];
    metadata::write_head(text, &Trace { env: &env, ..trace })
}

/// Writes the events of a schema, and tells how many there are.
///
/// # Safety
///
/// `schema` must be valid, with what it points to.
unsafe fn events(text: &mut Text, schema: &local::relay_schema) -> Result<u32> {
    // SAFETY: As the caller promises.
    let name = unsafe { bytes(schema.name)? };
    if !metadata::is_name(name)
        || !(1..=MAX_TYPES).contains(&schema.n_types)
        || schema.types.is_null()
        || schema.reserved != 0
    {
        return Err(EINVAL);
    }
    // SAFETY: As the caller promises.
    let types = unsafe { core::slice::from_raw_parts(schema.types, schema.n_types as usize) };
    for (id, ty) in (0u32..).zip(types) {
        // SAFETY: As the caller promises.
        let event = unsafe { event(ty)? };
        metadata::write_event(text, id, event).map_err(|_| ENOMEM)?;
    }
    Ok(schema.n_types)
}
