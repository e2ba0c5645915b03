//! Lists that snapshots share until one of them changes its own.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A list of a snapshot. The next snapshot has most lists unchanged: it holds the same rows, not copies of them. To be
/// changed, rows that somebody else holds as well are copied first.
#[derive(Debug)]
pub struct Rows<T>(Arc<Vec<T>>);

impl<T: PartialEq> PartialEq for Rows<T> {
    fn eq(&self, other: &Self) -> bool {
        self.are(other) || self.0 == other.0
    }
}

impl<T: Eq> Eq for Rows<T> {}

impl<T> Rows<T> {
    /// Whether both are the very same rows; rows that are equal need not be.
    pub fn are(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T: PartialEq> Rows<T> {
    /// Gives up its own rows for another list's that are equal to them.
    #[must_use]
    pub fn reuse_if_equal(self, other: &Self) -> Self {
        if self == *other { other.clone() } else { self }
    }
}

impl<T> Clone for Rows<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> From<Vec<T>> for Rows<T> {
    fn from(mut rows: Vec<T>) -> Self {
        // They are kept for long and do not grow.
        rows.shrink_to_fit();
        Self(Arc::new(rows))
    }
}

impl<T> FromIterator<T> for Rows<T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        Vec::from_iter(rows).into()
    }
}

impl<T> Deref for Rows<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Clone> DerefMut for Rows<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        Arc::make_mut(&mut self.0)
    }
}

impl<'a, T> IntoIterator for &'a Rows<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T: Clone> IntoIterator for &'a mut Rows<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T: Serialize> Serialize for Rows<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Rows<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shared_until_one_list_changes_its_own() {
        let first: Rows<u32> = vec![1, 2, 3].into();
        let mut second = first.clone();
        assert!(first.are(&second));
        second[0] = 7;
        assert_eq!((first.as_slice(), second.as_slice()), (&[1, 2, 3][..], &[7, 2, 3][..]));
        assert!(!first.are(&second));
    }

    #[test]
    fn equal_rows_become_the_same_rows() {
        let first: Rows<u32> = vec![1, 2].into();
        let again: Rows<u32> = vec![1, 2].into();
        assert!(again.reuse_if_equal(&first).are(&first));
        let other: Rows<u32> = vec![2, 1].into();
        assert!(!other.reuse_if_equal(&first).are(&first));
    }
}
