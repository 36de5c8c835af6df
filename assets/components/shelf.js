// What travels once, however often the component that draws it is sent anew: a part that draws nothing puts it on a
// shelf under its digest, and whoever needs it takes it from there.

class Shelf {
  /** One shelf a name for the whole page, wherever this file was loaded from. */
  constructor(name) {
    // kept: digest -> {content, holders}. An event named after a digest says that its content is there.
    Object.assign(this, (globalThis[Symbol.for(name)] ??= { kept: new Map(), arrivals: new EventTarget() }));
    this.held = new WeakMap(); // carrier's root -> digest it put here
  }

  get(digest) {
    return this.kept.get(digest)?.content;
  }

  /** Puts `unpack()` under a digest of 16 bytes, and returns what takes it away again with its last carrier. */
  put(root, bytes, unpack) {
    const digest = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
    if (this.held.get(root) !== digest) {
      this.drop(root);
      this.held.set(root, digest);
      const entry = this.kept.get(digest) ?? { content: unpack(), holders: 0 };
      entry.holders += 1;
      this.kept.set(digest, entry);
      this.arrivals.dispatchEvent(new Event(digest));
    }
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
