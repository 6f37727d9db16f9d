import fs from 'node:fs';
import path from 'node:path';

/** Where the paths of Istio's configuration really lie. */
export class Paths {
  readonly dir: string;

  /** `dir` is the working folder. */
  constructor(dir: string) {
    this.dir = path.resolve(dir);
  }

  /**
   * A path that a person wrote: a relative one lies in the working folder, and so does an absolute one if it is there,
   * such as `/etc/certs` of a workload that has a folder of its own. Else it is what it says.
   */
  readonly resolve = (written: string): string => {
    const places = this.places(written);
    return places.find((place) => fs.existsSync(place)) ?? places.at(-1)!;
  };

  /** Every place that {@link resolve} may find for a path, the first before the others. */
  readonly places = (written: string): readonly string[] => {
    const inside = path.join(this.dir, written);
    if (!path.isAbsolute(written)) return [inside];
    return this.dir === path.sep ? [written] : [inside, written];
  };

  /** A path in the working folder as a program sees it that runs there. */
  relative(file: string): string {
    const relative = path.relative(this.dir, file);
    return relative.startsWith('..') ? file : `./${relative}`;
  }
}
