// What is used of packages that bring no types.
declare module "pngjs" {
  /** Four bytes a pixel: red, green, blue, opacity. */
  export class PNG {
    constructor(size: { width: number; height: number });
    readonly width: number;
    readonly height: number;
    readonly data: Uint8Array;
    static readonly sync: { read(png: Uint8Array): PNG; write(picture: PNG): Buffer };
  }
}
declare module "upng-js" {
  const UPNG: { encode(frames: ArrayBuffer[], width: number, height: number, colours: number): ArrayBuffer };
  export default UPNG;
}
