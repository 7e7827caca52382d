//! Values, frames and messages as they come.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use skerry_amqp::codec::{Array, Symbol, Text, Value, code};
use skerry_amqp::message::{Header, Properties};
use skerry_amqp::performative::*;

pub fn symbol() -> impl Strategy<Value = Symbol> {
    "[ -~]{0,40}|[a-z:-]{250,260}".prop_map(|text| Symbol::new(text.into_bytes().into()).unwrap())
}

pub fn text() -> impl Strategy<Value = Text> {
    "\\PC{0,20}|[a-zä]{250,260}".prop_map(Text::from)
}

pub fn binary() -> impl Strategy<Value = Bytes> {
    prop_oneof![vec(any::<u8>(), 0..40), vec(any::<u8>(), 250..300)].prop_map(Bytes::from)
}

/// Of each type that is no compound, and the code of its arrays' elements.
fn simple() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<u8>().prop_map(Value::Ubyte),
        any::<u16>().prop_map(Value::Ushort),
        prop_oneof![any::<u32>(), 0..300_u32].prop_map(Value::Uint),
        prop_oneof![any::<u64>(), 0..300_u64].prop_map(Value::Ulong),
        any::<i8>().prop_map(Value::Byte),
        any::<i16>().prop_map(Value::Short),
        prop_oneof![any::<i32>(), -200..200].prop_map(Value::Int),
        prop_oneof![any::<i64>(), -200..200_i64].prop_map(Value::Long),
        any::<f32>().prop_map(Value::Float),
        any::<f64>().prop_map(Value::Double),
        any::<[u8; 4]>().prop_map(Value::Decimal32),
        any::<[u8; 8]>().prop_map(Value::Decimal64),
        any::<[u8; 16]>().prop_map(Value::Decimal128),
        any::<char>().prop_map(Value::Char),
        any::<i64>().prop_map(Value::Timestamp),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        binary().prop_map(Value::Binary),
        text().prop_map(Value::String),
        symbol().prop_map(Value::Symbol),
    ]
}

fn is_long(items: &[Value]) -> bool {
    items.iter().any(|item| match item {
        Value::Binary(bytes) => bytes.len() > 255,
        Value::String(text) => text.len() > 255,
        Value::Symbol(symbol) => symbol.len() > 255,
        _ => false,
    })
}

/// The code stands in the array as it would be read.
fn array() -> impl Strategy<Value = Array> {
    let of = |code: u8, wide: u8, item: BoxedStrategy<Value>| {
        (vec(item, 0..6), of(symbol().prop_map(Value::Symbol))).prop_map(move |(items, descriptor)| {
            let code = if is_long(&items) { wide } else { code };
            Array { code, descriptor, items }
        })
    };
    let fixed = |code: u8, item: BoxedStrategy<Value>| of(code, code, item);
    let inner = of(code::UINT, code::UINT, any::<u32>().prop_map(Value::Uint).boxed());
    prop_oneof![
        fixed(code::BOOLEAN, any::<bool>().prop_map(Value::Bool).boxed()),
        fixed(code::UINT, any::<u32>().prop_map(Value::Uint).boxed()),
        fixed(code::ULONG, any::<u64>().prop_map(Value::Ulong).boxed()),
        fixed(code::INT, any::<i32>().prop_map(Value::Int).boxed()),
        fixed(code::LONG, any::<i64>().prop_map(Value::Long).boxed()),
        fixed(code::UUID, any::<[u8; 16]>().prop_map(Value::Uuid).boxed()),
        fixed(code::NULL, Just(Value::Null).boxed()),
        of(code::BINARY_8, code::BINARY_32, binary().prop_map(Value::Binary).boxed()),
        of(code::STRING_8, code::STRING_32, text().prop_map(Value::String).boxed()),
        of(code::SYMBOL_8, code::SYMBOL_32, symbol().prop_map(Value::Symbol).boxed()),
        fixed(code::LIST_32, vec(simple(), 0..4).prop_map(Value::List).boxed()),
        fixed(code::MAP_32, entries(simple().boxed()).prop_map(Value::Map).boxed()),
        fixed(code::ARRAY_32, inner.prop_map(|array| Value::Array(Box::new(array))).boxed()),
    ]
}

fn entries(value: BoxedStrategy<Value>) -> impl Strategy<Value = Vec<(Value, Value)>> {
    vec((symbol().prop_map(Value::Symbol), value), 0..4)
}

pub fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![4 => simple(), 1 => array().prop_map(|array| Value::Array(Box::new(array)))];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::List),
            entries(inner.clone().boxed()).prop_map(Value::Map),
            (any::<u64>(), inner.clone())
                .prop_map(|(number, value)| Value::described(Value::Ulong(number), value)),
            (symbol(), inner).prop_map(|(name, value)| Value::described(Value::Symbol(name), value)),
        ]
    })
}

fn map() -> impl Strategy<Value = Value> {
    prop_oneof![Just(Value::Null), entries(value().boxed()).prop_map(Value::Map)]
}

fn symbols() -> impl Strategy<Value = Vec<Symbol>> {
    vec(symbol(), 0..4)
}

pub fn fault() -> impl Strategy<Value = Fault> {
    (symbol(), of(text()), map()).prop_map(|(condition, description, info)| Fault {
        condition,
        description,
        info,
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Accepted),
        Just(Outcome::Released),
        of(fault()).prop_map(Outcome::Rejected),
        any::<(bool, bool)>()
            .prop_map(|(is_failed, is_undeliverable)| Outcome::Modified { is_failed, is_undeliverable }),
        any::<(u32, u64)>().prop_map(|(section, offset)| Outcome::Received { section, offset }),
    ]
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Sender), Just(Role::Receiver)]
}

fn receiver_settles() -> impl Strategy<Value = ReceiverSettles> {
    prop_oneof![Just(ReceiverSettles::First), Just(ReceiverSettles::Second)]
}

type Lifetime = (Option<u32>, Option<Symbol>, Option<u32>, bool, Value);

fn lifetime() -> impl Strategy<Value = Lifetime> {
    (of(any::<u32>()), of(symbol()), of(any::<u32>()), any::<bool>(), map())
}

fn source() -> impl Strategy<Value = Source> {
    let rest = (of(symbol()), map(), value(), symbols(), symbols());
    (value(), lifetime(), rest).prop_map(|(address, lifetime, rest)| {
        let (durable, expiry_policy, timeout_s, is_dynamic, dynamic_properties) = lifetime;
        let (distribution_mode, filter, default_outcome, outcomes, capabilities) = rest;
        Source {
            address,
            durable,
            expiry_policy,
            timeout_s,
            is_dynamic,
            dynamic_properties,
            distribution_mode,
            filter,
            default_outcome,
            outcomes,
            capabilities,
        }
    })
}

fn target() -> impl Strategy<Value = Target> {
    (value(), lifetime(), symbols()).prop_map(|(address, lifetime, capabilities)| {
        let (durable, expiry_policy, timeout_s, is_dynamic, dynamic_properties) = lifetime;
        Target { address, durable, expiry_policy, timeout_s, is_dynamic, dynamic_properties, capabilities }
    })
}

fn open() -> impl Strategy<Value = Performative> {
    let limits = (of(any::<u32>()), of(any::<u16>()), of(any::<u32>()));
    (text(), of(text()), limits, symbols(), symbols(), map()).prop_map(
        |(
            container,
            hostname,
            (frame_bytes_max, channel_max, idle_timeout_ms),
            offered,
            desired,
            properties,
        )| {
            Performative::Open(Box::new(Open {
                container,
                hostname,
                frame_bytes_max,
                channel_max,
                idle_timeout_ms,
                offered,
                desired,
                properties,
            }))
        },
    )
}

fn begin() -> impl Strategy<Value = Performative> {
    let numbers = (of(any::<u16>()), any::<u32>(), any::<u32>(), any::<u32>(), of(any::<u32>()));
    (numbers, symbols(), symbols(), map()).prop_map(|(numbers, offered, desired, properties)| {
        let (remote_channel, next_outgoing, incoming_window, outgoing_window, handle_max) = numbers;
        Performative::Begin(Begin {
            remote_channel,
            next_outgoing,
            incoming_window,
            outgoing_window,
            handle_max,
            offered,
            desired,
            properties,
        })
    })
}

fn attach() -> impl Strategy<Value = Performative> {
    let modes =
        prop_oneof![Just(SenderSettles::Unsettled), Just(SenderSettles::Settled), Just(SenderSettles::Mixed)];
    let ends = (text(), any::<u32>(), role(), modes, receiver_settles(), of(source()), of(target()));
    let rest = (map(), any::<bool>(), of(any::<u32>()), of(any::<u64>()), symbols(), symbols(), map());
    (ends, rest).prop_map(|(ends, rest)| {
        let (name, handle, role, sender_settles, receiver_settles, source, target) = ends;
        let (
            unsettled,
            has_incomplete_unsettled,
            delivery_count,
            message_bytes_max,
            offered,
            desired,
            properties,
        ) = rest;
        Performative::Attach(Box::new(Attach {
            name,
            handle,
            role,
            sender_settles,
            receiver_settles,
            source,
            target,
            unsettled,
            has_incomplete_unsettled,
            delivery_count,
            message_bytes_max,
            offered,
            desired,
            properties,
        }))
    })
}

fn flow() -> impl Strategy<Value = Performative> {
    let session = (of(any::<u32>()), any::<u32>(), any::<u32>(), any::<u32>());
    let link = (of(any::<u32>()), of(any::<u32>()), of(any::<u32>()), of(any::<u32>()));
    (session, link, any::<bool>(), any::<bool>(), map()).prop_map(
        |(session, link, is_drain, wants_echo, properties)| {
            let (next_incoming, incoming_window, next_outgoing, outgoing_window) = session;
            let (handle, delivery_count, credit, available) = link;
            Performative::Flow(Flow {
                next_incoming,
                incoming_window,
                next_outgoing,
                outgoing_window,
                handle,
                delivery_count,
                credit,
                available,
                is_drain,
                wants_echo,
                properties,
            })
        },
    )
}

fn transfer() -> impl Strategy<Value = Performative> {
    let head = (any::<u32>(), of(any::<u32>()), of(binary()), of(any::<u32>()), of(any::<bool>()));
    let rest = (any::<bool>(), of(receiver_settles()), of(outcome()), any::<(bool, bool, bool)>());
    (head, rest).prop_map(|(head, rest)| {
        let (handle, delivery, tag, format, is_settled) = head;
        let (has_more, receiver_settles, state, (is_resume, is_aborted, is_batchable)) = rest;
        Performative::Transfer(Transfer {
            handle,
            delivery,
            tag,
            format,
            is_settled,
            has_more,
            receiver_settles,
            state,
            is_resume,
            is_aborted,
            is_batchable,
        })
    })
}

fn disposition() -> impl Strategy<Value = Performative> {
    (role(), any::<u32>(), of(any::<u32>()), any::<bool>(), of(outcome()), any::<bool>()).prop_map(
        |(role, first, last, is_settled, state, is_batchable)| {
            Performative::Disposition(Disposition { role, first, last, is_settled, state, is_batchable })
        },
    )
}

pub fn performative() -> impl Strategy<Value = Performative> {
    prop_oneof![
        open(),
        begin(),
        attach(),
        flow(),
        transfer(),
        disposition(),
        (any::<u32>(), any::<bool>(), of(fault())).prop_map(|(handle, is_closed, fault)| {
            Performative::Detach(Detach { handle, is_closed, fault })
        }),
        of(fault()).prop_map(|fault| Performative::End(End { fault })),
        of(fault()).prop_map(|fault| Performative::Close(Close { fault })),
    ]
}

pub fn sasl() -> impl Strategy<Value = SaslFrame> {
    let codes = prop_oneof![Just(SaslCode::Ok), Just(SaslCode::Auth), Just(SaslCode::System)];
    prop_oneof![
        symbols().prop_map(|names| SaslFrame::Mechanisms(Mechanisms { names })),
        (symbol(), of(binary()), of(text())).prop_map(|(mechanism, response, hostname)| {
            SaslFrame::Init(Init { mechanism, response, hostname })
        }),
        binary().prop_map(|bytes| SaslFrame::Response(Response { bytes })),
        codes.prop_map(|code| SaslFrame::Outcome(SaslOutcome { code })),
    ]
}

pub fn header() -> impl Strategy<Value = Header> {
    (any::<bool>(), of(any::<u8>()), of(any::<u32>()), any::<bool>(), any::<u32>()).prop_map(
        |(is_durable, priority, ttl_ms, is_first_acquirer, delivery_count)| Header {
            is_durable,
            priority,
            ttl_ms,
            is_first_acquirer,
            delivery_count,
        },
    )
}

pub fn properties() -> impl Strategy<Value = Properties> {
    let ids = (value(), of(binary()), value(), of(text()), value(), value());
    let rest = (of(symbol()), of(symbol()), of(any::<i64>()), of(any::<i64>()));
    (ids, rest, of(text()), of(any::<u32>()), of(text())).prop_map(
        |(ids, rest, group_id, group_sequence, reply_to_group)| {
            let (message_id, user_id, to, subject, reply_to, correlation_id) = ids;
            let (content_type, content_encoding, expiry, creation) = rest;
            Properties {
                message_id,
                user_id,
                to,
                subject,
                reply_to,
                correlation_id,
                content_type,
                content_encoding,
                expiry,
                creation,
                group_id,
                group_sequence,
                reply_to_group,
            }
        },
    )
}

/// Entries of a section, with symbols as keys or strings.
pub fn annotations() -> impl Strategy<Value = Vec<(Symbol, Value)>> {
    vec((symbol(), value()), 0..4)
}
