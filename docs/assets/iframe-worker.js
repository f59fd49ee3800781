// The site's search is a worker, and no browser lets a page that was opened from a disk start one.
// There the worker's script runs in a hidden frame, which has what the script expects of a worker.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const inside = frame.contentWindow;
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      inside.importScripts = (...urls) => Promise.all(urls.map((it) => this._load(inside, it)));
      this._loaded = this._load(inside, url).then(() => inside);
    }

    postMessage(data) {
      this._loaded.then((inside) =>
        inside.dispatchEvent(new inside.MessageEvent("message", { data })),
      );
    }

    terminate() {
      this._loaded.then((inside) => inside.frameElement.remove());
    }

    _load(inside, url) {
      return new Promise((resolve, reject) => {
        const script = inside.document.createElement("script");
        Object.assign(script, { src: url, onload: resolve, onerror: reject });
        inside.document.head.append(script);
      });
    }
  };
}
