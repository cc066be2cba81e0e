// Vuetify's words in Chinese, and the colours of the two themes.
export const words = {
  open: "打开",
  close: "关闭",
  dismiss: "关闭",
  loading: "正在读取……",
  noDataText: "没有记录",
  input: { clear: "清空{0}", prependAction: "{0}", appendAction: "{0}" },
  dataTable: {
    itemsPerPageText: "每页",
    ariaLabel: {
      sortDescending: "降序排列。",
      sortAscending: "升序排列。",
      sortNone: "未排序。",
      activateNone: "按下取消排序。",
      activateDescending: "按下改为降序。",
      activateAscending: "按下改为升序。",
    },
    sortBy: "排序",
  },
  dataFooter: {
    itemsPerPageText: "每页",
    itemsPerPageAll: "全部",
    nextPage: "下一页",
    prevPage: "上一页",
    firstPage: "第一页",
    lastPage: "最后一页",
    pageText: "{0}–{1}，共 {2} 条",
  },
  fileUpload: { title: "把文件拖到这里", divider: "或", browse: "选择文件" },
  fileInput: { counter: "{0} 个文件", counterSize: "{0} 个文件（{1}）" },
};

export const themes = {
  light: { colors: { primary: "#0b57a4", error: "#b3261e", surface: "#ffffff", background: "#f6f8fa" } },
  dark: { colors: { primary: "#8ab8f0", error: "#f2b8b5", surface: "#1a1e23", background: "#121519" } },
};
