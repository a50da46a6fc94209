/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_RELAYFS_EVENTS_MACROS_H
#define _LINUX_RELAYFS_EVENTS_MACROS_H

/**
 * DOC: events described once
 *
 * A client lists its events, each with its fields, as a macro that takes a macro::
 *
 *	#define NET_EVENTS(EVENT)				\
 *		EVENT(net_rx,					\
 *		      (u16, queue),				\
 *		      (x64, skb),				\
 *		      (text, dev, 16))				\
 *		EVENT(net_drop, (array, u8, mac, 6), (string, reason))	\
 *		EVENT(net_reset)
 *
 *	RELAY_EVENTS(net_schema, NET_EVENTS);
 *
 * and gets &net_schema for &rchan_attr.schema, and for each event, as for net_rx:
 *
 * * relay_event_net_rx(chan, queue, skb, dev): writes one. Context and result are those of
 *   relay_write_event()
 * * struct relay_event_net_rx: its fields, as they lie in the ring
 * * relay_event_net_rx_id: its number
 * * relay_event_net_rx_reserve(chan, tail, slot): reserves one, to be filled in place:
 *   &relay_slot.data is a struct relay_event_net_rx of zeroes. @tail is the length in bytes of its
 *   last field if that is a string (its end counts) or a sequence, and must be filled; else 0.
 *   relay_commit() or relay_discard() must follow
 *
 * The kinds of fields, and what the function takes for them:
 *
 * =============================  ============================  ===================================
 * ``(u8, f)`` to ``(u64, f)``    u8 f                          a number
 * ``(s8, f)`` to ``(s64, f)``    s8 f                          a number with a sign
 * ``(x8, f)`` to ``(x64, f)``    u8 f                          a number shown in hexadecimal
 * ``(array, u16, f, n)``         const u16 \*f                 n of any of the above
 * ``(text, f, n)``               const char \*f                at most n characters, in n bytes
 * ``(string, f)``                const char \*f                characters up to a zero; comes last
 * ``(sequence, u16, f)``         const u16 \*f, u32 f_length   f_length numbers; comes last
 * =============================  ============================  ===================================
 *
 * Fields are laid out as in a C structure. What lies between them is written as zeroes.
 */

#include <linux/args.h>
#include <linux/build_bug.h>
#include <linux/overflow.h>
#include <linux/relayfs_fs.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>

#ifdef RELAYFS_NO_SHORT_NAMES
#error "<linux/relayfs_events.h> needs the short names of <linux/relayfs_fs.h>"
#endif

/* A text, which may change meanwhile, in @size bytes; the rest of them becomes zeroes. */
static inline void __relay_put_text(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size);

	memcpy(to, from, len);
	memset(to + len, 0, size - len);
}

/*
 * A string of which @size bytes, with its end, are to be taken. If it has become shorter meanwhile
 * there must be no end in its middle: a reader would take what follows for the next event.
 */
static inline void __relay_put_string(char *to, size_t size, const char *from)
{
	memcpy(to, from, size - 1);
	for (size_t i = 0; i < size - 1; i++) {
		if (!to[i])
			to[i] = '?';
	}
	to[size - 1] = '\0';
}

/* __RELAY_EACH(op, (a), (b), ...) is op(a) op(b) ..., for at most 64. */
#define __RELAY_EACH(op, ...)	__VA_OPT__(__RELAY_SCAN(__RELAY_EACH_ONE(op, __VA_ARGS__)))
#define __RELAY_EACH_ONE(op, tuple, ...) \
	op tuple __VA_OPT__(__RELAY_EACH_NEXT __RELAY_NOTHING (op, __VA_ARGS__))
#define __RELAY_EACH_NEXT()	__RELAY_EACH_ONE
#define __RELAY_NOTHING		()
#define __RELAY_SCAN(...)	__RELAY_SCAN_C(__RELAY_SCAN_C(__RELAY_SCAN_C(__VA_ARGS__)))
#define __RELAY_SCAN_C(...)	__RELAY_SCAN_B(__RELAY_SCAN_B(__RELAY_SCAN_B(__VA_ARGS__)))
#define __RELAY_SCAN_B(...)	__RELAY_SCAN_A(__RELAY_SCAN_A(__RELAY_SCAN_A(__VA_ARGS__)))
#define __RELAY_SCAN_A(...)	__RELAY_SCAN_0(__RELAY_SCAN_0(__RELAY_SCAN_0(__VA_ARGS__)))
#define __RELAY_SCAN_0(...)	__VA_ARGS__

/* The C types of numbers. Their names are also those of the types in the metadata. */
#define __RELAY_TYPE_u8		u8
#define __RELAY_TYPE_u16	u16
#define __RELAY_TYPE_u32	u32
#define __RELAY_TYPE_u64	u64
#define __RELAY_TYPE_s8		s8
#define __RELAY_TYPE_s16	s16
#define __RELAY_TYPE_s32	s32
#define __RELAY_TYPE_s64	s64
#define __RELAY_TYPE_x8		u8
#define __RELAY_TYPE_x16	u16
#define __RELAY_TYPE_x32	u32
#define __RELAY_TYPE_x64	u64
#define __RELAY_TYPE(kind)	CONCATENATE(__RELAY_TYPE_, kind)

/* What a field is by its kind. */
#define __RELAY_IS_u8		NUMBER
#define __RELAY_IS_u16		NUMBER
#define __RELAY_IS_u32		NUMBER
#define __RELAY_IS_u64		NUMBER
#define __RELAY_IS_s8		NUMBER
#define __RELAY_IS_s16		NUMBER
#define __RELAY_IS_s32		NUMBER
#define __RELAY_IS_s64		NUMBER
#define __RELAY_IS_x8		NUMBER
#define __RELAY_IS_x16		NUMBER
#define __RELAY_IS_x32		NUMBER
#define __RELAY_IS_x64		NUMBER
#define __RELAY_IS_array	ARRAY
#define __RELAY_IS_text		TEXT
#define __RELAY_IS_string	STRING
#define __RELAY_IS_sequence	SEQUENCE
#define __RELAY_OF(what, kind)	CONCATENATE(what, CONCATENATE(__RELAY_IS_, kind))

/* Members of the structure: first those of known size, then the last if it has none. */
#define __RELAY_MEMBER(kind, ...)		__RELAY_OF(__RELAY_MEMBER_, kind)(kind, __VA_ARGS__)
#define __RELAY_MEMBER_NUMBER(kind, f)		__RELAY_TYPE(kind) f;
#define __RELAY_MEMBER_ARRAY(_, kind, f, n)	__RELAY_TYPE(kind) f[n];
#define __RELAY_MEMBER_TEXT(_, f, n)		char f[n];
#define __RELAY_MEMBER_STRING(_, f)
#define __RELAY_MEMBER_SEQUENCE(_, kind, f)	u32 f##_length;

#define __RELAY_LAST(kind, ...)			__RELAY_OF(__RELAY_LAST_, kind)(kind, __VA_ARGS__)
#define __RELAY_LAST_NUMBER(kind, f)
#define __RELAY_LAST_ARRAY(_, kind, f, n)
#define __RELAY_LAST_TEXT(_, f, n)
#define __RELAY_LAST_STRING(_, f)		char f[];
#define __RELAY_LAST_SEQUENCE(_, kind, f)	__RELAY_TYPE(kind) f[];

/* Alignment of the last: 1 if there is none. */
#define __RELAY_ALIGN(kind, ...)		__RELAY_OF(__RELAY_ALIGN_, kind)(kind, __VA_ARGS__)
#define __RELAY_ALIGN_NUMBER(kind, f)
#define __RELAY_ALIGN_ARRAY(_, kind, f, n)
#define __RELAY_ALIGN_TEXT(_, f, n)
#define __RELAY_ALIGN_STRING(_, f)
#define __RELAY_ALIGN_SEQUENCE(_, kind, f)	* sizeof(__RELAY_TYPE(kind))

/* The same for readers of the metadata, who take one underscore off: so any name will do. */
#define __RELAY_TSDL(kind, ...)			__RELAY_OF(__RELAY_TSDL_, kind)(kind, __VA_ARGS__)
#define __RELAY_TSDL_NUMBER(kind, f)		#kind " _" #f "; "
#define __RELAY_TSDL_ARRAY(_, kind, f, n)	#kind " _" #f "[" __stringify(n) "]; "
#define __RELAY_TSDL_TEXT(_, f, n)		"utf8 _" #f "[" __stringify(n) "]; "
#define __RELAY_TSDL_STRING(_, f)		"string _" #f "; "
#define __RELAY_TSDL_SEQUENCE(_, kind, f) \
	"u32 _" #f "_length; " #kind " _" #f "[_" #f "_length]; "

/* What the functions take. */
#define __RELAY_TAKE(kind, ...)			__RELAY_OF(__RELAY_TAKE_, kind)(kind, __VA_ARGS__)
#define __RELAY_TAKE_NUMBER(kind, f)		, __RELAY_TYPE(kind) f
#define __RELAY_TAKE_ARRAY(_, kind, f, n)	, const __RELAY_TYPE(kind) *f
#define __RELAY_TAKE_TEXT(_, f, n)		, const char *f
#define __RELAY_TAKE_STRING(_, f)		, const char *f
#define __RELAY_TAKE_SEQUENCE(_, kind, f)	, const __RELAY_TYPE(kind) *f, u32 f##_length

/* The same as arguments. */
#define __RELAY_GIVE(kind, ...)			__RELAY_OF(__RELAY_GIVE_, kind)(kind, __VA_ARGS__)
#define __RELAY_GIVE_NUMBER(kind, f)		, f
#define __RELAY_GIVE_ARRAY(_, kind, f, n)	, f
#define __RELAY_GIVE_TEXT(_, f, n)		, f
#define __RELAY_GIVE_STRING(_, f)		, f
#define __RELAY_GIVE_SEQUENCE(_, kind, f)	, f, f##_length

/* From there into the structure. */
#define __RELAY_PUT(kind, ...)			__RELAY_OF(__RELAY_PUT_, kind)(kind, __VA_ARGS__)
#define __RELAY_PUT_NUMBER(kind, f)		__event->f = f;
#define __RELAY_PUT_ARRAY(_, kind, f, n)	memcpy(__event->f, f, sizeof(__event->f));
#define __RELAY_PUT_TEXT(_, f, n)		__relay_put_text(__event->f, sizeof(__event->f), f);
#define __RELAY_PUT_STRING(_, f)		__relay_put_string(__event->f, __tail, f);
#define __RELAY_PUT_SEQUENCE(_, kind, f) \
	__event->f##_length = f##_length; memcpy(__event->f, f, __tail);

/* How long the last is; whether there is one; how long all others are together. */
#define __RELAY_TAIL(kind, ...)			__RELAY_OF(__RELAY_TAIL_, kind)(kind, __VA_ARGS__)
#define __RELAY_TAIL_NUMBER(kind, f)
#define __RELAY_TAIL_ARRAY(_, kind, f, n)
#define __RELAY_TAIL_TEXT(_, f, n)
#define __RELAY_TAIL_STRING(_, f)		+ strlen(f) + 1
#define __RELAY_TAIL_SEQUENCE(_, kind, f)	+ array_size(f##_length, sizeof(*f))

#define __RELAY_HAS_TAIL(kind, ...)		__RELAY_OF(__RELAY_HAS_TAIL_, kind)
#define __RELAY_HAS_TAIL_NUMBER
#define __RELAY_HAS_TAIL_ARRAY
#define __RELAY_HAS_TAIL_TEXT
#define __RELAY_HAS_TAIL_STRING			+ 1
#define __RELAY_HAS_TAIL_SEQUENCE		+ 1

#define __RELAY_SIZE(kind, ...)			__RELAY_OF(__RELAY_SIZE_, kind)(kind, __VA_ARGS__)
#define __RELAY_SIZE_NUMBER(kind, f)		+ sizeof(__RELAY_TYPE(kind))
#define __RELAY_SIZE_ARRAY(_, kind, f, n)	+ (n) * sizeof(__RELAY_TYPE(kind))
#define __RELAY_SIZE_TEXT(_, f, n)		+ (n)
#define __RELAY_SIZE_STRING(_, f)
#define __RELAY_SIZE_SEQUENCE(_, kind, f)	+ sizeof(u32)

/* Readers align each number to its size, so the compiler must. */
#define __RELAY_CHECK(kind, ...)		__RELAY_OF(__RELAY_CHECK_, kind)(kind, __VA_ARGS__)
#define __RELAY_CHECK_NUMBER(kind, f) \
	static_assert(__alignof__(struct { __RELAY_TYPE(kind) n; }) == sizeof(__RELAY_TYPE(kind)));
#define __RELAY_CHECK_ARRAY(_, kind, f, n)	__RELAY_CHECK_NUMBER(kind, f)
#define __RELAY_CHECK_TEXT(_, f, n)
#define __RELAY_CHECK_STRING(_, f)
#define __RELAY_CHECK_SEQUENCE(_, kind, f)	__RELAY_CHECK_NUMBER(kind, f)

#define __RELAY_EVENT(name, ...)								\
	struct relay_event_##name {								\
		__RELAY_EACH(__RELAY_MEMBER, __VA_ARGS__)					\
		/* Where all others end. The structure itself may end with padding. */		\
		struct { } __end __aligned(1 __RELAY_EACH(__RELAY_ALIGN, __VA_ARGS__));		\
		__RELAY_EACH(__RELAY_LAST, __VA_ARGS__)						\
	};											\
	__RELAY_EACH(__RELAY_CHECK, __VA_ARGS__)						\
												\
	static __always_inline void __relay_fill_##name(struct relay_event_##name *__event,	\
			size_t __tail __RELAY_EACH(__RELAY_TAKE, __VA_ARGS__))			\
	{											\
		__RELAY_EACH(__RELAY_PUT, __VA_ARGS__)						\
	}											\
												\
	static inline int relay_event_##name##_reserve(struct rchan *__chan, size_t __tail,	\
						       struct relay_slot *__slot)		\
	{											\
		const size_t __fixed = offsetof(struct relay_event_##name, __end);		\
		int __error = relay_reserve_event(__chan, relay_event_##name##_id,		\
						size_add(__fixed, __tail), __slot);		\
												\
		if (!__error && __fixed)							\
			memset(__slot->data, 0, __fixed);					\
		return __error;									\
	}											\
												\
	static inline ssize_t relay_event_##name(struct rchan *__chan				\
						 __RELAY_EACH(__RELAY_TAKE, __VA_ARGS__))	\
	{											\
		const size_t __fixed = offsetof(struct relay_event_##name, __end);		\
		const size_t __tail = 0 __RELAY_EACH(__RELAY_TAIL, __VA_ARGS__);		\
												\
		/* A tail is copied to where it goes, all else at once by who writes it. */	\
		if (0 __RELAY_EACH(__RELAY_HAS_TAIL, __VA_ARGS__)) {				\
			struct relay_slot __slot;						\
			int __error = relay_event_##name##_reserve(__chan, __tail, &__slot);	\
												\
			if (__error)								\
				return __error;							\
			__relay_fill_##name(__slot.data,					\
					    __tail __RELAY_EACH(__RELAY_GIVE, __VA_ARGS__));	\
			relay_commit(&__slot);							\
			return __fixed + __tail;						\
		} else {									\
			struct relay_event_##name __args;					\
												\
			if (__fixed != 0 __RELAY_EACH(__RELAY_SIZE, __VA_ARGS__))		\
				memset(&__args, 0, __fixed);					\
			__relay_fill_##name(&__args, 0 __RELAY_EACH(__RELAY_GIVE, __VA_ARGS__)); \
			return relay_write_event(__chan, relay_event_##name##_id, &__args,	\
						 __fixed);					\
		}										\
	}

#define __RELAY_EVENT_ID(name, ...)	relay_event_##name##_id,
#define __RELAY_EVENT_TYPE(name, ...)	{ #name, "" __RELAY_EACH(__RELAY_TSDL, __VA_ARGS__) },

/**
 * RELAY_EVENTS() - define events, and the schema of channels that have them
 * @schema: name of the struct relay_schema
 * @LIST: a macro that lists the events
 *
 * At file scope; in several files of a module if need be.
 */
#define RELAY_EVENTS(schema, LIST)								\
	enum { LIST(__RELAY_EVENT_ID) };							\
	LIST(__RELAY_EVENT)									\
	static const struct relay_event_type __##schema##_types[] = {				\
		LIST(__RELAY_EVENT_TYPE)							\
	};											\
	static const struct relay_schema schema __maybe_unused = {				\
		.name = #schema,								\
		.types = __##schema##_types,							\
		.n_types = ARRAY_SIZE(__##schema##_types),					\
	}

#endif /* _LINUX_RELAYFS_EVENTS_MACROS_H */
