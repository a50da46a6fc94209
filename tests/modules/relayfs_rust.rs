// SPDX-License-Identifier: GPL-2.0

//! The API for clients in Rust, from opening a channel to closing it. Each group of functions is a
//! test; loading the module runs them all and fails with what failed first. What it says goes to the
//! kernel log; `rust.sh` reads it.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::Arc;

#[path = "../../rust/relayfs.rs"]
mod relayfs;

use relayfs::{
    Begun, Callbacks, Channel, Clock, Count, Delivered, Ended, Node, Reserves, Resize, UserAction,
    Watermark, Which,
};

module! {
    type: RustTests,
    name: "relayfs_rust",
    authors: ["The relayfs developers"],
    description: "relayfs: tests of the API in Rust",
    license: "GPL",
}

/// An error with the place it was found at.
macro_rules! ensure {
    ($condition:expr) => {
        if !$condition {
            pr_err!("line {}: {}\n", line!(), stringify!($condition));
            return Err(EBADMSG);
        }
    };
}

/// All there is, from the beginning.
fn all_of(reader: &mut relayfs::Reader) -> Result<KVec<u8>> {
    let mut all = KVec::new();
    let mut part = [0u8; 100];
    loop {
        match reader.read(&mut part) {
            Ok(0) => return Ok(all),
            Ok(n) => all.extend_from_slice(part.get(..n).ok_or(EINVAL)?, GFP_KERNEL)?,
            Err(error) if error == EAGAIN => return Ok(all),
            Err(error) => return Err(error),
        }
    }
}

fn writing() -> Result {
    let channel = Channel::builder(c"rust/writing").global().open()?;
    let mut reader = channel.reader(Which::All, false)?;
    ensure!(reader.is_empty());
    ensure!(channel.write(b"one ")? == 4);
    ensure!(channel.write_parts(&[b"t", b"", b"wo "])? == 4);
    ensure!(channel.write_wait(b"three ", 0)? == 6);
    let mut slot = channel.reserve(10)?;
    slot.append(b"fo")?;
    slot.append(b"ur ")?;
    ensure!(slot.room() == 5 && &*slot == b"four ");
    ensure!(slot.append(b"123456") == Err(EMSGSIZE));
    slot.append(b"five ")?;
    slot.commit();
    let mut never = channel.reserve(5)?;
    never.append(b"never")?;
    drop(never);
    ensure!(reader.available()? == 24);
    ensure!(&*all_of(&mut reader)? == b"one two three four five ");
    ensure!(reader.is_empty() && reader.lost() == 0 && !reader.is_full());

    let mut timed = [0xffu8; 12];
    timed[..4].copy_from_slice(b"time");
    ensure!(channel.write_delta(&timed, 4)? == 12);
    ensure!(channel.write_delta(&timed, 9) == Err(EINVAL));
    let read = all_of(&mut reader)?;
    ensure!(read.len() == 12 && read.starts_with(b"time") && read.ends_with(&[0xff; 4]));
    let mut last = [0u8; 4];
    ensure!(channel.read_last(None, &mut last)? == 4 && last == [0xff; 4]);

    let info = channel.info()?;
    let produced = Count {
        records: 5,
        bytes: 36,
    };
    ensure!(info.produced() == produced && info.unread() == produced && info.n_buffers() == 1);
    ensure!(channel.write_parts(&[b"".as_slice(); 9]) == Err(EINVAL));
    Ok(())
}

fn attributes() -> Result {
    let builder = || Channel::builder(c"rust/attributes");
    ensure!(builder().subbuf_size(4095).open().err() == Some(EINVAL));
    ensure!(builder().n_subbufs(3).open().err() == Some(EINVAL));
    ensure!(builder().mode(0o1000).open().err() == Some(EINVAL));
    ensure!(builder().watermark(Watermark::Percent(101)).open().err() == Some(EINVAL));
    ensure!(builder().node(Node::Of(1 << 20)).open().err() == Some(EINVAL));
    ensure!(builder().subbuf_size(1 << 40).open().err() == Some(E2BIG));
    let all = Reserves {
        start: 4000,
        end: 90,
        channel_start: 6,
    };
    ensure!(builder().subbuf_size(4096).reserves(all).open().err() == Some(EINVAL));

    let channel = builder()
        .subbuf_size(4096)
        .n_subbufs(4)
        .no_overwrite()
        .per_packet()
        .locking()
        .clock(Clock::None)
        .reserves(Reserves {
            start: 8,
            end: 8,
            channel_start: 8,
        })
        .watermark(Watermark::Bytes(100))
        .flush_interval_ms(7)
        .node(Node::Any)
        .mode(0o440)
        .uid(1)
        .gid(2)
        .open()?;
    ensure!(builder().open().err() == Some(EEXIST));
    let info = channel.info()?;
    ensure!(info.subbuf_size() == 4096 && info.n_subbufs() == 4 && info.generation() == 0);
    ensure!(channel.write(&[0; 4073]) == Err(EMSGSIZE));
    ensure!(
        channel.info()?.too_big()
            == Count {
                records: 1,
                bytes: 4073
            }
    );
    ensure!(channel.write_delta(&[0; 8], 0) == Err(EINVAL));
    drop(channel);
    drop(builder().open()?);
    drop(Channel::builder_without_files().open()?);
    Ok(())
}

fn accounts() -> Result {
    let channel = Channel::builder(c"rust/accounts")
        .global()
        .no_overwrite()
        .subbuf_size(4096)
        .n_subbufs(2)
        .open()?;
    let mut reader = channel.reader(Which::Global, true)?;
    let record = [7u8; 1024];
    let mut written = 0;
    while channel.write(&record).is_ok() {
        written += 1;
    }
    ensure!(written == 8 && reader.is_full());
    ensure!(channel.write(&record) == Err(ENOSPC));
    ensure!(channel.write_wait(&record, 1) == Err(ETIMEDOUT));
    ensure!(channel.info()?.full().records == 3);
    ensure!(all_of(&mut reader)?.len() == 8192 && !reader.is_full());
    ensure!(channel.write(&record)? == 1024);
    channel.flush();
    let info = channel.info()?;
    ensure!(info.read().records == 8 && info.unread().records == 1);
    ensure!(info.subbufs_produced() == 3 && info.open_files() == 0);
    channel.reset();
    ensure!(channel.info()?.overwritten().records == 1 && reader.is_empty());
    ensure!(channel.cpu_info(Some(0)).err() == Some(ENXIO) && channel.cpu_info(None).is_ok());
    Ok(())
}

fn keeping() -> Result {
    let channel = Channel::builder(c"rust/keeping").open()?;
    let kept: ARef<Channel> = ARef::from(&*channel);
    let mut reader = channel.reader(Which::All, false)?;
    channel.write(b"left")?;
    drop(channel);
    ensure!(kept.write(b"too late") == Err(ESHUTDOWN));
    ensure!(kept.info()?.closed().records == 1);
    ensure!(&*all_of(&mut reader)? == b"left");
    ensure!(kept.reader(Which::All, false).err() == Some(ESHUTDOWN));
    ensure!(kept.realloc(0, 0) == Err(ESHUTDOWN));
    Ok(())
}

fn resizing() -> Result {
    let channel = Channel::builder(c"rust/resizing")
        .subbuf_size(4096)
        .n_subbufs(2)
        .open()?;
    let mut reader = channel.reader(Which::All, false)?;
    channel.write(b"before ")?;
    ensure!(channel.replace() == Err(EAGAIN));
    ensure!(channel.realloc(8192, 3) == Err(EINVAL));
    channel.realloc(8192, 8)?;
    channel.replace()?;
    channel.write(b"after")?;
    let info = channel.info()?;
    ensure!(info.subbuf_size() == 8192 && info.n_subbufs() == 8 && info.generation() == 1);
    ensure!(&*all_of(&mut reader)? == b"before after");
    Ok(())
}

/// What the callbacks saw. It is dropped when the channel is closed.
struct Seen {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    starts: AtomicU32,
    ends: AtomicU32,
    delivered: AtomicUsize,
    wrong: AtomicBool,
    full: AtomicU32,
    replaced: AtomicU32,
    dropped: AtomicBool,
}

impl State {
    fn expect(&self, right: bool) {
        if !right {
            self.wrong.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.state.dropped.store(true, Ordering::Relaxed);
    }
}

#[vtable]
impl Callbacks for Seen {
    fn buffer_start(&self, _channel: &Channel, begun: &mut Begun<'_>) {
        let nth = self.state.starts.fetch_add(1, Ordering::Relaxed);
        self.state
            .expect(begun.seq() == u64::from(nth) && begun.cpu().is_none());
        self.state.expect(begun.len() == 0 && begun.end() == 0);
        begun.start_reserve().fill(b's');
    }

    fn buffer_end(&self, _channel: &Channel, ended: &mut Ended<'_>) {
        let nth = self.state.ends.fetch_add(1, Ordering::Relaxed);
        self.state
            .expect(ended.seq() == u64::from(nth) && ended.end() >= ended.begin());
        self.state
            .expect(ended.records() != 0 && ended.start_reserve() == b"ssss");
        ended.end_reserve().fill(b'e');
    }

    fn deliver(&self, _channel: &Channel, delivered: &Delivered<'_>) {
        // The end reserve comes by itself, as there is padding before it.
        let data = delivered.data();
        self.state.expect(if delivered.is_last() {
            data == b"eeee"
        } else {
            data.starts_with(b"ssssx") && data.ends_with(b"x")
        });
        self.state
            .expect(delivered.lost() == 0 && delivered.cpu().is_none());
        self.state.expect(delivered.seq() < 3);
        self.state
            .delivered
            .fetch_add(data.len(), Ordering::Relaxed);
    }

    fn buffers_full(&self, channel: &Channel, cpu: Option<u32>) {
        self.state
            .expect(cpu.is_none() && channel.write(&[0; 3000]) == Err(ENOSPC));
        self.state.full.fetch_add(1, Ordering::Relaxed);
    }

    fn needs_resize(&self, _channel: &Channel, what: Resize, subbuf_size: u64, n_subbufs: u32) {
        if what == Resize::Replaced {
            self.state.expect(subbuf_size == 4096 && n_subbufs == 4);
            self.state.replaced.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn fileop_notify(&self, _channel: &Channel, action: UserAction) -> Result {
        self.state.expect(action != UserAction::Map);
        Ok(())
    }
}

fn callbacks() -> Result {
    let state = Arc::new(State::default(), GFP_KERNEL)?;
    let channel = Channel::builder(c"rust/callbacks")
        .global()
        .no_overwrite()
        .subbuf_size(4096)
        .n_subbufs(2)
        .reserves(Reserves {
            start: 4,
            end: 4,
            channel_start: 0,
        })
        .callbacks(Seen {
            state: state.clone(),
        })
        .open()?;
    while channel.write(&[b'x'; 1000]).is_ok() {}
    ensure!(Arc::ptr_eq(&channel.client().state, &state));
    channel.realloc(0, 4)?;
    channel.replace()?;
    channel.write(b"x")?;
    drop(channel);
    ensure!(state.dropped.load(Ordering::Relaxed));
    ensure!(!state.wrong.load(Ordering::Relaxed));
    ensure!(state.starts.load(Ordering::Relaxed) == 3);
    ensure!(state.ends.load(Ordering::Relaxed) == 3);
    ensure!(state.full.load(Ordering::Relaxed) == 1);
    ensure!(state.replaced.load(Ordering::Relaxed) == 1);
    ensure!(state.delivered.load(Ordering::Relaxed) == 2 * (4 + 4000 + 4) + 4 + 1 + 4);
    Ok(())
}

fn locking() -> Result {
    let channel = Channel::builder(c"rust/locking")
        .global()
        .locking()
        .open()?;
    let mut reader = channel.reader(Which::All, true)?;
    let together = channel.lock();
    let again = channel.lock();
    channel.write(b"one ")?;
    drop(together);
    channel.write(b"two")?;
    drop(again);
    ensure!(&*all_of(&mut reader)? == b"one two");
    Ok(())
}

fn speaking_for_a_mapping() -> Result {
    let channel = Channel::builder(c"rust/mapped")
        .global()
        .no_overwrite()
        .subbuf_size(4096)
        .n_subbufs(2)
        .open()?;
    ensure!(channel.map_reader(Some(0)).err() == Some(ENXIO));
    let speaker = channel.map_reader(None)?;
    while channel.write(&[7; 1024]).is_ok() {}
    ensure!(channel.info()?.produced().records == 8);
    speaker.subbufs_consumed(1);
    ensure!(channel.info()?.unread().records == 4 && channel.write(&[7; 1024]).is_ok());
    speaker.bytes_consumed(4096);
    ensure!(channel.info()?.unread().records == 1);
    Ok(())
}

/// A test by its name.
type Test = (&'static str, fn() -> Result);

const TESTS: &[Test] = &[
    ("writing", writing),
    ("attributes", attributes),
    ("accounts", accounts),
    ("keeping", keeping),
    ("resizing", resizing),
    ("callbacks", callbacks),
    ("locking", locking),
    ("speaking_for_a_mapping", speaking_for_a_mapping),
];

/// Stays while the module is loaded; `rust.sh` looks at it.
struct Answer(AtomicU32);

impl Answer {
    fn new(answer: u32) -> Self {
        Self(AtomicU32::new(answer))
    }
}

impl relayfs::Show for Answer {
    fn show(&self, to: &kernel::seq_file::SeqFile) {
        kernel::seq_print!(to, "{}\n", self.0.load(Ordering::Relaxed));
    }
}

impl relayfs::Store for Answer {
    fn store(&self, data: &[u8]) -> Result {
        let text = core::str::from_utf8(data).map_err(|_| EINVAL)?;
        let answer = text.trim().parse().map_err(|_| EINVAL)?;
        self.0.store(answer, Ordering::Relaxed);
        Ok(())
    }
}

struct RustTests {
    _channel: relayfs::OpenChannel,
    _beside: relayfs::File<Answer>,
    _inside: relayfs::File<Answer>,
    // After the file in it.
    _directory: relayfs::Directory,
}

fn files(module: &'static ThisModule) -> Result<RustTests> {
    use relayfs::{Directory, File, Parent};

    let directory = Directory::new(c"rust_files", Parent::Root)?;
    ensure!(Directory::new(c"rust_files", Parent::Root).err() == Some(EEXIST));
    let inside = Parent::In(&directory);
    let inside = File::new_writable(module, c"answer", 0o600, inside, Answer::new(42))?;
    ensure!(inside.data().0.load(Ordering::Relaxed) == 42);
    let channel = Channel::builder(c"rust_channel").open()?;
    let of = Parent::Of(&channel);
    let beside = File::new(module, c"answer", 0o444, of, Answer::new(43))?;
    let hidden = Channel::builder_without_files().open()?;
    ensure!(Directory::new(c"x", Parent::Of(&hidden)).err() == Some(ENOTDIR));
    Ok(RustTests {
        _channel: channel,
        _beside: beside,
        _inside: inside,
        _directory: directory,
    })
}

impl kernel::Module for RustTests {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let mut first = Ok(());
        for (name, test) in TESTS {
            let result = test();
            match result {
                Ok(()) => pr_info!("{name}: ok\n"),
                Err(error) => pr_err!("{name}: failed, {error:?}\n"),
            }
            first = first.and(result);
        }
        first.and_then(|()| files(module))
    }
}
