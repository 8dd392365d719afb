"""`stats`: what each version costs adds up to what is needed, and what is not needed is said."""

from pathlib import Path

import pytest
from store_steps import House, altered, noise

from modelyard.core.digests import Digest
from modelyard.store.objects import open_objects
from modelyard.store.upkeep.accounts import Accounts, accounts
from modelyard.store.upkeep.reachability import Roots


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(open_objects("memory:"), tmp_path)


def reckoned(house: House) -> Accounts:
    versions = [
        (str(number), len(data), Roots(manifests=frozenset({digest}), files=frozenset(files_of(house, digest))))
        for number, (digest, data) in enumerate(house.contents.items(), 1)
    ]
    return accounts(house.store, versions)


def files_of(house: House, digest: Digest) -> list[Digest]:
    return [file.digest for file in house.store.manifest(digest).files]


def test_the_shares_of_all_versions_add_up_to_what_is_needed(house: House) -> None:
    last = house.register(noise(1))
    for seed in range(4):
        last = house.register(altered(noise(1), seed), last)
    house.register(noise(2))
    found = reckoned(house)
    assert sum(version.share for version in found.versions) == pytest.approx(found.needed)
    assert found.garbage == found.spare == 0
    assert found.needed < found.pack_bytes < found.kept < found.raw == 6 * 150_000
    assert sum(found.codecs.values()) == sum(found.depths.values())
    assert all(version.chunks == sum(version.depths.values()) for version in found.versions)


def test_what_a_version_alone_needs_is_what_goes_with_it(house: House) -> None:
    first = house.register(noise(1))
    house.register(altered(noise(1), 7), first)
    house.register(noise(2))
    before = reckoned(house)
    last = list(house.contents)[-1]
    del house.contents[last]
    house.compact()
    after = reckoned(house)
    assert before.needed - after.needed == before.versions[-1].own
    assert before.versions[-1].own == round(before.versions[-1].share)
    assert before.versions[1].own < 0.1 * before.versions[1].raw


def test_two_versions_of_the_same_bytes_share_all_of_them(house: House) -> None:
    digest = house.register(noise(1))
    roots = Roots(manifests=frozenset({digest}), files=frozenset(files_of(house, digest)))
    found = accounts(house.store, [("a/1", 150_000, roots), ("a/2", 150_000, roots)])
    assert [version.own for version in found.versions] == [0, 0]
    assert found.versions[0].share == found.versions[1].share == found.needed / 2


def test_a_difference_counts_for_what_it_stands_on_too(house: House) -> None:
    first = house.register(noise(1))
    house.register(altered(noise(1), 7), first)
    del house.contents[first]
    (version,) = reckoned(house).versions
    assert version.own > 150_000
    assert version.differences == version.depths[1] > 0
    assert version.codecs["patch"] == version.differences


def test_garbage_and_second_copies_are_counted(house: House) -> None:
    house.abandon(noise(3))
    with house.store.intake() as one, house.reopen().store.intake() as two:
        made = house.put(one, noise(2))
        house.put(two, noise(2))
        one.commit()
        two.commit()
        house.contents[made.digest] = noise(2)
    found = reckoned(house)
    assert 150_000 < found.garbage < 152_000
    assert found.spare == found.needed > 150_000
    house.compact()
    found = reckoned(house)
    assert found.garbage == found.spare == 0
    assert (found.packs, found.segments) == (1, 1)


def test_a_version_that_cannot_be_followed_is_said_and_the_others_are_counted(house: House) -> None:
    house.register(noise(1))
    missing = Digest.of(b"nowhere")
    digest = next(iter(house.contents))
    found = accounts(
        house.store,
        [
            ("a/1", 1, Roots(files=frozenset({missing}))),
            ("a/2", 150_000, Roots(files=frozenset(files_of(house, digest)))),
        ],
    )
    assert [version.chunks > 0 for version in found.versions] == [False, True]
    assert len(found.problems) == 1
    assert missing.hex in found.problems[0]
