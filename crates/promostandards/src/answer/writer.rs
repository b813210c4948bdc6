//! Makes the JSON of a response element while its children pass by.
//!
//! Keys stand in the schema's order. As long as the supplier keeps that order, each value is written where it belongs; a value that turns
//! out to be nothing is taken back. An object whose children come in another order, or whose lists are torn apart, is put together again
//! when it ends, from the places of its values. Each byte is moved at most once for each level of nesting.

use super::digest::Products;
use super::message::Messages;
use super::value;
use crate::scrub::Scrub;
use crate::shape::{Kind, Member, ObjectRole, Role, Shape};

/// From this size on the buffer grows by a quarter and not to the double.
const LARGE: usize = 4 << 20;

/// The place of a value in the output.
#[derive(Clone, Copy)]
struct Span {
    member: usize,
    start: usize,
    end: usize,
}

/// An object that is being written.
struct Frame<'a> {
    shape: &'a Shape,
    /// The wrapper is left out: only its list is written.
    bare: bool,
    start: usize,
    /// The member after the last one written.
    next: usize,
    /// The list whose items are being written.
    open: Option<usize>,
    /// The members with a value, one bit each.
    seen: u128,
    /// The first of this object's spans.
    spans: usize,
    /// The order is not the schema's.
    torn: bool,
    /// The state of the parent before this object began.
    before: Before,
}

/// A state to go back to if a value turns out to be nothing.
#[derive(Clone, Copy, Default)]
struct Before {
    member: usize,
    out: usize,
    value: usize,
    next: usize,
    open: Option<usize>,
    torn: bool,
}

/// A value whose text is being collected.
struct Leaf<'a> {
    member: &'a Member,
    position: usize,
}

/// The way on at an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Into,
    Skip,
}

pub(super) struct Writer<'a> {
    pub out: Vec<u8>,
    frames: Vec<Frame<'a>>,
    spans: Vec<Span>,
    leaf: Option<Leaf<'a>>,
    text: String,
    scrub: &'a Scrub,
    pub messages: Messages<'a>,
    pub products: Option<Products>,
    product: Option<String>,
    part: Option<String>,
}

impl<'a> Writer<'a> {
    /// Begins the root object.
    pub fn new(shape: &'a Shape, scrub: &'a Scrub, messages: Messages<'a>, products: Option<Products>) -> Self {
        let root = Frame {
            shape,
            bare: false,
            start: 0,
            next: 0,
            open: None,
            seen: 0,
            spans: 0,
            torn: false,
            before: Before::default(),
        };
        Self {
            out: b"{".to_vec(),
            frames: vec![root],
            spans: Vec::new(),
            leaf: None,
            text: String::new(),
            scrub,
            messages,
            products,
            product: None,
            part: None,
        }
    }

    /// Begins a child element of the current one.
    pub fn start(&mut self, local: &[u8], nil: bool) -> Step {
        let (None, Some(frame)) = (&self.leaf, self.frames.last()) else { return Step::Skip };
        let shape = frame.shape;
        let expected = frame.open.unwrap_or(frame.next);
        let Some(position) = shape.find(local, expected) else { return Step::Skip };
        let member = &shape.fields[position];
        if nil || (!member.many && frame.seen & (1 << position) != 0) {
            return Step::Skip;
        }
        let (inner, bare) = match &member.kind {
            Kind::Value(..) => {
                self.text.clear();
                self.leaf = Some(Leaf { member, position });
                return Step::Into;
            }
            Kind::Object(inner) => (inner, false),
            Kind::Bare(inner) => (inner, true),
        };
        let before = self.begin(position);
        let start = self.out.len();
        if !bare {
            self.out.push(b'{');
        }
        self.frames.push(Frame {
            shape: inner,
            bare,
            start,
            next: 0,
            open: None,
            seen: 0,
            spans: self.spans.len(),
            torn: false,
            before,
        });
        Step::Into
    }

    /// Takes a piece of text of the current element.
    pub fn text(&mut self, text: &str) {
        if self.leaf.is_some() {
            self.text.push_str(text);
        }
    }

    /// Ends the current element. Returns false if it was the root.
    pub fn end(&mut self) -> bool {
        if let Some(leaf) = self.leaf.take() {
            self.end_leaf(&leaf);
            return true;
        }
        if self.frames.len() <= 1 {
            return false;
        }
        let Some(frame) = self.frames.pop() else { return false };
        let mut nothing = frame.seen == 0;
        match frame.shape.role {
            ObjectRole::None => {}
            ObjectRole::Sellable => {
                if let (Some(products), Some(product)) = (&mut self.products, self.product.take()) {
                    products.add(&product, self.part.as_deref());
                }
                self.part = None;
                nothing = true;
            }
            role if nothing => debug_assert!(role != ObjectRole::Sellable),
            role => self.messages.end(role),
        }
        if nothing {
            self.spans.truncate(frame.spans);
            self.take_back(frame.before);
        } else {
            self.close(&frame);
            self.finish(frame.before);
        }
        true
    }

    fn end_leaf(&mut self, leaf: &Leaf<'a>) {
        let Kind::Value(simple, number) = &leaf.member.kind else { return };
        let text = std::mem::take(&mut self.text);
        if !text.trim().is_empty() {
            let role = leaf.member.role;
            // Scrubbed last: a blank that collapses could make a login.
            let normalised = value::normalised(simple, role, &text);
            let scrubbed = match role {
                Role::Description | Role::ErrorText | Role::Note => self.scrub.message(&normalised),
                _ => self.scrub.data(&normalised),
            };
            match role {
                Role::ProductId => self.product = Some(scrubbed.trim().to_owned()),
                Role::PartId => self.part = Some(scrubbed.trim().to_owned()),
                role => self.messages.part(role, &text, &scrubbed),
            }
            let before = self.begin(leaf.position);
            self.reserve(scrubbed.len() + scrubbed.len() / 8 + 16);
            value::write(&mut self.out, simple, *number, &scrubbed);
            self.finish(before);
        }
        if text.capacity() < LARGE {
            self.text = text;
        }
    }

    /// Writes what stands before a member's value: the nulls of those left out, its key, the bracket of its list.
    fn begin(&mut self, position: usize) -> Before {
        let Some(frame) = self.frames.last_mut() else { return Before::default() };
        let out = &mut self.out;
        let mut before =
            Before { member: position, out: out.len(), value: 0, next: frame.next, open: frame.open, torn: frame.torn };
        let member = &frame.shape.fields[position];
        if frame.torn {
            // Put together at the end of the object.
        } else if frame.open == Some(position) {
            out.push(b',');
        } else if frame.bare {
            out.push(b'[');
            frame.open = Some(position);
        } else {
            if frame.open.take().is_some() {
                out.push(b']');
            }
            if position < frame.next {
                frame.torn = true;
            } else {
                let skipped = &frame.shape.fields[frame.next..position];
                for (offset, other) in skipped.iter().enumerate() {
                    null(out, frame.next + offset, other);
                }
                if position > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(member.head.as_bytes());
                frame.next = position + 1;
                if member.many {
                    out.push(b'[');
                    frame.open = Some(position);
                }
            }
        }
        before.value = out.len();
        if let Some(item) = &member.item {
            out.push(b'{');
            out.extend_from_slice(item.as_bytes());
        }
        before
    }

    /// Ends a member's value that is something.
    fn finish(&mut self, before: Before) {
        let Some(frame) = self.frames.last_mut() else { return };
        if frame.shape.fields[before.member].item.is_some() {
            self.out.push(b'}');
        }
        frame.seen |= 1 << before.member;
        let own = self.spans.len() > frame.spans;
        match self.spans.last_mut() {
            // The items of a list that stand together are one span.
            Some(last) if own && last.member == before.member && !before.torn && before.open == Some(before.member) => {
                last.end = self.out.len();
            }
            _ => self.spans.push(Span { member: before.member, start: before.value, end: self.out.len() }),
        }
    }

    /// Takes back a value that turned out to be nothing.
    fn take_back(&mut self, before: Before) {
        let Some(frame) = self.frames.last_mut() else { return };
        self.out.truncate(before.out);
        frame.next = before.next;
        frame.open = before.open;
        frame.torn = before.torn;
    }

    /// Ends an object.
    fn close(&mut self, frame: &Frame<'a>) {
        if frame.bare {
            self.out.push(b']');
        } else if frame.torn {
            self.mend(frame);
        } else {
            if frame.open.is_some() {
                self.out.push(b']');
            }
            for (offset, member) in frame.shape.fields[frame.next..].iter().enumerate() {
                null(&mut self.out, frame.next + offset, member);
            }
            tail(&mut self.out, frame.shape);
        }
        self.spans.truncate(frame.spans);
    }

    /// Writes an object again, in the schema's order.
    fn mend(&mut self, frame: &Frame<'a>) {
        let spans = &mut self.spans[frame.spans..];
        spans.sort_by_key(|span| span.member);
        let mut spans = spans.iter().peekable();
        let size: usize = self.out.len() - frame.start;
        let mut mended = Vec::with_capacity(size + size / 8 + 64 * frame.shape.fields.len());
        mended.push(b'{');
        for (position, member) in frame.shape.fields.iter().enumerate() {
            if frame.seen & (1 << position) == 0 {
                null(&mut mended, position, member);
                continue;
            }
            if position > 0 {
                mended.push(b',');
            }
            mended.extend_from_slice(member.head.as_bytes());
            let many = member.many;
            let mut first = true;
            if many {
                mended.push(b'[');
            }
            while let Some(span) = spans.next_if(|span| span.member == position) {
                if !first {
                    mended.push(b',');
                }
                mended.extend_from_slice(&self.out[span.start..span.end]);
                first = false;
            }
            if many {
                mended.push(b']');
            }
        }
        tail(&mut mended, frame.shape);
        self.out.truncate(frame.start);
        self.reserve(mended.len());
        self.out.extend_from_slice(&mended);
    }

    /// Reports whether the root has a value for a member.
    pub fn has(&self, position: usize) -> bool {
        self.frames.first().is_some_and(|root| root.seen & (1 << position) != 0)
    }

    /// The JSON of a member of the root that is no list.
    pub fn root_value(&self, element: &str) -> Option<&[u8]> {
        let root = self.frames.first()?;
        let position = root.shape.fields.iter().position(|member| member.element == element)?;
        let span = self.spans.iter().find(|span| span.member == position)?;
        self.out.get(span.start..span.end)
    }

    /// Ends the root.
    pub fn end_root(&mut self) {
        if let Some(root) = self.frames.pop() {
            self.close(&root);
        }
    }

    /// Makes room, without doubling a buffer that is large already.
    fn reserve(&mut self, more: usize) {
        if self.out.capacity() - self.out.len() < more {
            let step = if self.out.capacity() < LARGE { self.out.capacity() } else { self.out.capacity() / 4 };
            self.out.reserve_exact(more.max(step));
        }
    }
}

/// Writes a member without a value.
fn null(out: &mut Vec<u8>, position: usize, member: &Member) {
    if position > 0 {
        out.push(b',');
    }
    out.extend_from_slice(member.head.as_bytes());
    out.extend_from_slice(member.default.unwrap_or("null").as_bytes());
}

/// Writes the keys that are always null, and the brace.
fn tail(out: &mut Vec<u8>, shape: &Shape) {
    for (offset, name) in shape.nulls.iter().enumerate() {
        if offset > 0 || !shape.fields.is_empty() {
            out.push(b',');
        }
        value::string(out, name);
        out.extend_from_slice(b":null");
    }
    out.push(b'}');
}
