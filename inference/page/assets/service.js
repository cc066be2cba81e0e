// Talking to the service. The token is kept in this variable and nowhere else.
let token = "";

export function setToken(given) {
  token = given.trim();
}

/** What went wrong, in words for a person. */
export class ServiceError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const REASONS = {
  401: "需要口令",
  404: "服务没有这个功能；请刷新网页",
  413: "文件太大；请拆分后再读",
  429: "服务正忙，请求太多；请稍候再试",
  503: "服务暂时不能接收；请稍候再试",
  504: "读取超时；请拆分文件或稍候再试",
};

async function request(address, options) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(address, { method: "POST", ...options, headers });
  } catch {
    throw new ServiceError(0, "连不上服务，或文件已被移动、修改；请检查后重试");
  }
  if (!answer.ok) throw new ServiceError(answer.status, await reasonOf(answer));
  return answer;
}

async function reasonOf(answer) {
  const fallback = REASONS[answer.status] ?? `服务出错（${answer.status}）；请重试`;
  try {
    return (await answer.json()).error.message || fallback;
  } catch {
    return fallback;
  }
}

const asJson = (data) => ({
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(data),
});

/** The predictions of one file or pasted text, with the warnings of the reader. */
export async function read({ file, text, name }) {
  let answer;
  if (file) {
    const form = new FormData();
    form.append("records", "true");
    form.append("file", file, file.name);
    answer = await request("v1/files", { body: form });
  } else {
    answer = await request("v1/extract", asJson({ id: name, text, records: true }));
  }
  let data;
  try {
    data = await answer.json();
  } catch {
    throw new ServiceError(0, "服务的回答不完整；请重试");
  }
  return { results: data.results ?? [data], warnings: data.warnings ?? [] };
}

/** The file that the service makes of what is on the page: its content and its name. */
export async function exported(format, data) {
  const answer = await request(`v1/export?format=${format}`, asJson(data));
  const name = /filename="([\w.-]+)"/.exec(answer.headers.get("Content-Disposition") ?? "");
  return { blob: await answer.blob(), name: name ? name[1] : `records.${format}` };
}
