//! Sections to bytes, one behind the other, without values in between where there are many.

use super::properties::{Header, Properties};
use crate::codec::{Value, code, put_value};
use crate::performative::{descriptor, put_descriptor};

/// Writes a message; call in the order of the methods.
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

/// A map that is written entry by entry.
pub struct MapWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    count: u32,
}

impl<'a> Writer<'a> {
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    pub fn header(&mut self, header: &Header) {
        header.encode(self.out);
    }

    pub fn delivery_annotations(&mut self) -> MapWriter<'_> {
        self.map(descriptor::DELIVERY_ANNOTATIONS)
    }

    pub fn annotations(&mut self) -> MapWriter<'_> {
        self.map(descriptor::MESSAGE_ANNOTATIONS)
    }

    pub fn properties(&mut self, properties: &Properties) {
        properties.encode(self.out);
    }

    pub fn application(&mut self) -> MapWriter<'_> {
        self.map(descriptor::APPLICATION_PROPERTIES)
    }

    pub fn data(&mut self, bytes: &[u8]) {
        put_descriptor(self.out, descriptor::DATA);
        if let Ok(len) = u8::try_from(bytes.len()) {
            self.out.extend([code::BINARY_8, len]);
        } else {
            self.out.push(code::BINARY_32);
            self.out.extend((bytes.len() as u32).to_be_bytes());
        }
        self.out.extend_from_slice(bytes);
    }

    pub fn value(&mut self, value: &Value) {
        put_descriptor(self.out, descriptor::VALUE);
        put_value(self.out, value);
    }

    fn map(&mut self, number: u64) -> MapWriter<'_> {
        put_descriptor(self.out, number);
        self.out.push(code::MAP_32);
        let start = self.out.len();
        self.out.extend([0; 8]);
        MapWriter { out: self.out, start, count: 0 }
    }
}

impl MapWriter<'_> {
    /// Keys of annotations are symbols.
    pub fn symbol(&mut self, key: &str, value: &Value) -> &mut Self {
        put_text(self.out, key, code::SYMBOL_8, code::SYMBOL_32);
        put_value(self.out, value);
        self.count += 2;
        self
    }

    /// Keys of application properties are strings.
    pub fn string(&mut self, key: &str, value: &Value) -> &mut Self {
        put_text(self.out, key, code::STRING_8, code::STRING_32);
        put_value(self.out, value);
        self.count += 2;
        self
    }

    /// A symbol and a text as its value, without copies in between.
    pub fn symbol_text(&mut self, key: &str, value: &str) -> &mut Self {
        put_text(self.out, key, code::SYMBOL_8, code::SYMBOL_32);
        self.text(value)
    }

    pub fn string_text(&mut self, key: &str, value: &str) -> &mut Self {
        put_text(self.out, key, code::STRING_8, code::STRING_32);
        self.text(value)
    }

    fn text(&mut self, value: &str) -> &mut Self {
        put_text(self.out, value, code::STRING_8, code::STRING_32);
        self.count += 2;
        self
    }
}

impl Drop for MapWriter<'_> {
    fn drop(&mut self) {
        let len = (self.out.len() - self.start - 4) as u32;
        self.out[self.start..self.start + 4].copy_from_slice(&len.to_be_bytes());
        self.out[self.start + 4..self.start + 8].copy_from_slice(&self.count.to_be_bytes());
    }
}

fn put_text(out: &mut Vec<u8>, text: &str, short: u8, long: u8) {
    if let Ok(len) = u8::try_from(text.len()) {
        out.extend([short, len]);
    } else {
        out.push(long);
        out.extend((text.len() as u32).to_be_bytes());
    }
    out.extend_from_slice(text.as_bytes());
}
