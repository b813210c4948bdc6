//! The products of a list of sellables, in the order in which they are first seen.

use std::collections::{HashMap, HashSet};

use super::value::string;
use crate::routes::Digest;

/// Room for the keys and the number of a product.
const ROOM: usize = 60;

/// Collects products and parts.
pub(super) enum Products {
    Ids {
        seen: HashSet<Box<str>>,
        /// The ids as JSON, apart by commas.
        list: Vec<u8>,
    },
    Variants {
        places: HashMap<Box<str>, usize>,
        products: Vec<Product>,
    },
}

/// A product with its parts.
pub(super) struct Product {
    /// The id as JSON.
    id: Box<[u8]>,
    /// The parts as JSON, apart by commas.
    parts: Vec<u8>,
    count: usize,
}

impl Products {
    pub fn new(digest: Digest) -> Option<Self> {
        match digest {
            Digest::ProductIds => Some(Self::Ids { seen: HashSet::new(), list: Vec::new() }),
            Digest::ProductVariants => Some(Self::Variants { places: HashMap::new(), products: Vec::new() }),
            Digest::FilterValues => None,
        }
    }

    pub fn count(&self) -> usize {
        match self {
            Self::Ids { seen, .. } => seen.len(),
            Self::Variants { products, .. } => products.len(),
        }
    }

    /// Adds a product with a part.
    pub fn add(&mut self, product: &str, part: Option<&str>) {
        match self {
            Self::Ids { seen, list } => {
                if seen.insert(product.into()) {
                    if !list.is_empty() {
                        list.push(b',');
                    }
                    string(list, product);
                }
            }
            Self::Variants { places, products } => {
                let place = *places.entry(product.into()).or_insert_with(|| {
                    let mut id = Vec::new();
                    string(&mut id, product);
                    products.push(Product { id: id.into(), parts: Vec::new(), count: 0 });
                    products.len() - 1
                });
                if let (Some(part), Some(product)) = (part, products.get_mut(place)) {
                    // A product has some parts, and there are many products: growing to the double would cost more than it saves.
                    product.parts.reserve_exact(part.len() + part.len().min(16) + 3 + product.parts.len() / 4);
                    if product.count > 0 {
                        product.parts.push(b',');
                    }
                    string(&mut product.parts, part);
                    product.count += 1;
                }
            }
        }
    }

    /// The size of the list as JSON, so that it is written without growing.
    pub fn size(&self) -> usize {
        match self {
            Self::Ids { list, .. } => list.len() + 2,
            Self::Variants { products, .. } => {
                products.iter().map(|product| product.id.len() + product.parts.len() + ROOM).sum::<usize>() + 2
            }
        }
    }

    /// Writes the list as JSON.
    pub fn write(self, out: &mut Vec<u8>) {
        out.push(b'[');
        match self {
            Self::Ids { list, .. } => out.extend_from_slice(&list),
            Self::Variants { products, .. } => {
                for (index, product) in products.into_iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(b"{\"productId\":");
                    out.extend_from_slice(&product.id);
                    out.extend_from_slice(b",\"variants\":[");
                    out.extend_from_slice(&product.parts);
                    out.extend_from_slice(format!("],\"no_variants\":{}}}", product.count).as_bytes());
                }
            }
        }
        out.push(b']');
    }
}
