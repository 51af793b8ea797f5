// Warns before the session ends, and keeps it alive where that is asked for. The page works without it.
(() => {
  const box = document.getElementById("ending");
  if (!box) return;
  const button = box.querySelector("button"), over = document.getElementById("ended");
  const early = 300; // seconds of warning
  let timers = [];
  const wait = (seconds, then) => timers.push(setTimeout(then, Math.max(0, seconds) * 1000));
  const begin = (left) => {
    timers.forEach(clearTimeout);
    timers = [];
    box.hidden = over.hidden = true;
    wait(left - early, () => { box.hidden = false; });
    wait(left, () => { box.hidden = true; over.hidden = false; });
  };
  button.addEventListener("click", async () => {
    try {
      const answer = await fetch("/stay", { redirect: "manual", cache: "no-store" });
      if (answer.status === 204) { begin(Number(answer.headers.get("Jebi-Ends-In"))); return; }
    } catch { return; } // no line now: the warning stays, and she can press again
    box.hidden = true;
    over.hidden = false;
  });
  begin(Number(box.dataset.left));
})();
