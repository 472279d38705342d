//! Moments of AdamW, joined for the parameters that step together.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Tensor;
use stepwise_vlm::values_of;

use crate::optim::joined::{Member, joined, ranges};

/// First and second moments of parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moments {
    /// Groups by the name of the first member.
    groups: BTreeMap<String, Joined>,
}

/// Moments of the members of one group, one member after another, `[values]`.
#[derive(Clone, Debug)]
struct Joined {
    members: Vec<Member>,
    moments: [Tensor<1>; 2],
}

impl Moments {
    /// Removes and returns the moments of `members`, one member after another. Moments that do not exist are 0.
    /// `like` has as many values, on the device of the moments.
    pub fn take(&mut self, members: &[Member], like: &Tensor<1>) -> [Tensor<1>; 2] {
        let first = &members[0].name;
        if self.groups.get(first).is_some_and(|group| group.members == members)
            && let Some(group) = self.groups.remove(first)
        {
            return group.moments;
        }
        self.separate(members);
        let single: Vec<Option<Joined>> = members.iter().map(|member| self.groups.remove(&member.name)).collect();
        let zeros = like.zeros_like();
        if single.iter().all(Option::is_none) {
            return [zeros.clone(), zeros];
        }
        [0, 1].map(|which| {
            let moments = single.iter().zip(ranges(members)).map(|(single, (_, start, len))| match single {
                Some(single) => single.moments[which].clone(),
                None => zeros.clone().narrow(0, start, len),
            });
            joined(moments.collect())
        })
    }

    /// Stores the moments of `members`, which have none, one member after another.
    pub fn put(&mut self, members: &[Member], moments: [Tensor<1>; 2]) {
        self.groups.insert(members[0].name.clone(), Joined { members: members.to_vec(), moments });
    }

    /// Replaces one moment of a parameter: the first for `which` 0, the second for 1. A moment that is not replaced and
    /// does not exist is 0.
    pub fn replace(&mut self, name: &str, which: usize, moment: Tensor<1>) {
        let member = [Member { name: name.to_owned(), len: moment.dims()[0] }];
        let mut moments = self.take(&member, &moment);
        moments[which] = moment;
        self.put(&member, moments);
    }

    /// Divides every group of several members that holds one of `members`.
    fn separate(&mut self, members: &[Member]) {
        let names: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
        let several = |group: &Joined| group.members.len() > 1;
        let holds = |group: &Joined| group.members.iter().any(|member| names.contains(member.name.as_str()));
        let divided: Vec<Joined> =
            self.groups.extract_if(.., |_, group| several(group) && holds(group)).map(|(_, group)| group).collect();
        for Joined { members, moments } in divided {
            for (member, (_, start, len)) in members.iter().zip(ranges(&members)) {
                self.put(std::slice::from_ref(member), moments.clone().map(|moment| moment.narrow(0, start, len)));
            }
        }
    }

    /// Returns name and number of values of every parameter, in the order of [`Moments::values`].
    pub fn sizes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.groups.values().flat_map(|group| ranges(&group.members).map(|(name, _, len)| (name, len)))
    }

    /// Returns the values of both moments of every parameter with its name, one group after another. Each group is read from
    /// the device at once.
    pub fn values(&self) -> impl Iterator<Item = (&str, [Vec<f32>; 2])> {
        self.groups.values().flat_map(|group| {
            let moments = group.moments.clone().map(values_of);
            ranges(&group.members).map(move |(name, start, len)| {
                (name, [0, 1].map(|which: usize| moments[which][start..start + len].to_vec()))
            })
        })
    }

    /// Returns the first parameter, in the order of the groups, with a moment that is not finite, and the number of the
    /// moment, 0 or 1; None if all are finite.
    pub fn not_finite(&self) -> Option<(&str, usize)> {
        self.groups.values().find_map(|group| {
            (0..2).find_map(|which| {
                let values = values_of(group.moments[which].clone());
                let bad = values.iter().position(|value| !value.is_finite())?;
                ranges(&group.members).find(|(_, start, len)| bad < start + len).map(|(name, ..)| (name, which))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn tensor(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &Device::flex())
    }

    fn members(names: &[&str]) -> Vec<Member> {
        names.iter().map(|name| Member { name: (*name).to_owned(), len: 2 }).collect()
    }

    #[test]
    fn moments_follow_their_parameter_through_other_groups() {
        let mut moments = Moments::default();
        let (all, some) = (members(&["a", "b", "c"]), members(&["b", "d"]));
        let zeros = tensor(&[0.0; 6]);
        assert_eq!(moments.take(&all, &zeros).map(values_of), [vec![0.0; 6], vec![0.0; 6]]);
        let of = |moments: &Moments, name: &str| moments.values().find(|(one, _)| *one == name).expect("moments").1;
        moments.put(&all, [tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), tensor(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])]);
        assert_eq!(of(&moments, "c"), [vec![5.0, 6.0], vec![0.5, 0.6]]);

        let of_some = moments.take(&some, &tensor(&[0.0; 4]));
        assert_eq!(of_some.clone().map(values_of), [vec![3.0, 4.0, 0.0, 0.0], vec![0.3, 0.4, 0.0, 0.0]]);
        moments.put(&some, [tensor(&[7.0, 8.0, 9.0, f32::NAN]), of_some[1].clone()]);
        assert_eq!(moments.sizes().collect::<Vec<_>>(), [("a", 2), ("b", 2), ("d", 2), ("c", 2)]);
        assert!(moments.values().map(|(name, _)| name).eq(moments.sizes().map(|(name, _)| name)));
        assert_eq!(moments.not_finite(), Some(("d", 0)));
        moments.replace("d", 0, tensor(&[9.0, 9.0]));
        assert_eq!(moments.not_finite(), None);

        let again = moments.take(&all, &zeros).map(values_of);
        assert_eq!(again, [vec![1.0, 2.0, 7.0, 8.0, 5.0, 6.0], vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]);
    }
}
