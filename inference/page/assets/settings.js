// What Python decides and the scripts must know: labels, fields, their words, thresholds.
export const settings = JSON.parse(document.getElementById("settings").textContent);
export const nonce = document.querySelector("meta[name=nonce]").content;
