// One shelf for the page, on which carrier.js puts bytes under their digest and from which a component takes them.

class Shelf {
  constructor() {
    // kept: digest -> {bytes, holders}. An event named after a digest says that its bytes are there.
    const shared = { kept: new Map(), arrivals: new EventTarget() };
    Object.assign(this, (globalThis[Symbol.for("headlight.shelf")] ??= shared)); // wherever this file was loaded from
    this.held = new WeakMap(); // carrier's root -> digest it put here
  }

  get(digest) {
    return this.kept.get(digest)?.bytes;
  }

  /** Puts bytes there, and returns what takes them away again with their last carrier. */
  put(root, name, bytes) {
    const digest = Array.from(name, (b) => b.toString(16).padStart(2, "0")).join("");
    if (this.held.get(root) !== digest) {
      this.drop(root);
      this.held.set(root, digest);
      const entry = this.kept.get(digest) ?? { bytes, holders: 0 };
      entry.holders += 1;
      this.kept.set(digest, entry);
      this.arrivals.dispatchEvent(new Event(digest));
    } // else a rerun with the same bytes
    return () => this.drop(root);
  }

  drop(root) {
    const digest = this.held.get(root);
    const entry = this.kept.get(digest);
    this.held.delete(root);
    if (entry && --entry.holders === 0) this.kept.delete(digest);
  }

  /** From now on `arrived` is called when a digest comes, and no longer for the one that was awaited before. */
  listen(digest, arrived, before) {
    if (before) this.arrivals.removeEventListener(before, arrived);
    if (digest) this.arrivals.addEventListener(digest, arrived);
  }
}
